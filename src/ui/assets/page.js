// What a page does by itself: times of here, copying, and keeping up with the cluster.
'use strict';

const script = document.currentScript;
const find = (id) => document.getElementById(id);

function localize(root) {
  for (const time of root.querySelectorAll('time')) {
    time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  }
}

function copying() {
  for (const button of document.querySelectorAll('[data-copy]')) {
    button.hidden = !navigator.clipboard;
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(find(button.dataset.copy).textContent.trim());
        button.textContent = 'Copied';
      } catch {
        button.textContent = 'Not copied';
      }
      setTimeout(() => { button.textContent = 'Copy'; }, 2000);
    });
  }
}

function theme() {
  const choice = find('theme');
  find('theme-set').hidden = true;
  const to = Object.assign(document.createElement('input'), { type: 'hidden', name: 'to', value: location.pathname + location.search });
  choice.form.append(to);
  choice.addEventListener('change', () => choice.form.submit());
}

localize(document);
copying();
theme();
if (document.body.dataset.since) keepUp();

function keepUp() {
  const [status, toggle, show] = ['live-status', 'live-toggle', 'live-show'].map(find);
  let paused = false;
  let missed = false;
  let timer = 0;
  let last = 0;
  let fresh = null;
  let changed = 0;
  let said = 0;

  function say(text) {
    status.textContent = text;
    said = Date.now();
  }

  // At most every five seconds, so that nobody who listens is talked over.
  function sum() {
    const wait = said + 5000 - Date.now();
    if (wait > 0) {
      setTimeout(sum, wait);
    } else if (changed) {
      say(changed === 1 ? '1 change' : changed + ' changes');
      changed = 0;
    }
  }

  function soon() {
    if (paused) missed = true;
    else timer ||= setTimeout(refresh, Math.max(0, last + 1000 - Date.now()));
  }

  function over() {
    port.postMessage('bye');
    const link = Object.assign(document.createElement('a'), { href: '', textContent: 'Sign in again' });
    say('You are not signed in any more. ');
    status.append(link);
  }

  async function refresh() {
    last = Date.now();
    const from = document.querySelector('[data-from]');
    try {
      const answer = await fetch(from ? from.dataset.from : location.href, { headers: { 'X-Live': '1' }, cache: 'no-store' });
      if (answer.redirected && new URL(answer.url).pathname === '/sign-in') return over();
      if (answer.status === 404) return say('What this page shows is gone.');
      if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), 'text/html'), from || document);
    } catch {
      say('The coordinator does not answer.');
      setTimeout(soon, 2000);
    } finally {
      timer = 0;
    }
  }

  function take(page, root) {
    localize(page);
    fresh = page;
    for (const part of root.querySelectorAll('[data-part]')) {
      const now = page.querySelector('[data-part="' + part.dataset.part + '"]');
      if (part.contains(document.activeElement)) continue;
      if (!now) part.remove();
      else if (now.innerHTML !== part.innerHTML) part.replaceWith(now.cloneNode(true));
    }
    let others = 0;
    const bodies = root.querySelectorAll('[data-rows]');
    for (const body of bodies) others += rows(body, page.querySelector('[data-rows]'));
    if (!bodies.length && page.querySelector('[data-rows]')) others = 1;
    show.hidden = others === 0;
    show.textContent = (others === 1 ? '1 change' : others + ' changes') + ', show';
    if (changed) sum();
  }

  // Changes rows where they stand; how many come, go or move, which they only do when asked to.
  function rows(body, now) {
    const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
    const grows = 'grows' in body.dataset;
    const kept = [];
    let others = 0;
    for (const row of now ? [...now.rows] : []) {
      const old = known.get(row.dataset.key);
      if (old) {
        known.delete(row.dataset.key);
        kept.push(old);
        change(old, row);
      } else if (grows) {
        body.prepend(row.cloneNode(true));
        changed += 1;
      } else {
        others += 1;
      }
    }
    for (const row of known.values()) {
      row.classList.add('gone');
      row.title = 'Not in this list any more';
      others += 1;
    }
    const stand = [...body.rows].filter((row) => kept.includes(row));
    return others + (stand.some((row, at) => row !== kept[at]) && !grows ? 1 : 0);
  }

  function change(old, row) {
    old.classList.remove('gone');
    if (old.innerHTML === row.innerHTML) return;
    [...old.cells].forEach((cell, at) => {
      const now = row.cells[at];
      if (now && now.innerHTML !== cell.innerHTML && !cell.contains(document.activeElement)) {
        cell.replaceWith(now.cloneNode(true));
      }
    });
    old.classList.add('fresh');
    setTimeout(() => old.classList.remove('fresh'), 2000);
    changed += 1;
  }

  toggle.addEventListener('click', () => {
    paused = !paused;
    toggle.setAttribute('aria-pressed', String(!paused));
    toggle.textContent = paused ? 'Paused' : 'Live';
    if (!paused && missed) soon();
    missed = false;
  });

  show.addEventListener('click', () => {
    const [list, now] = [document, fresh].map((page) => page.querySelector('.list, .table'));
    if (list && now) list.replaceWith(now.cloneNode(true));
    show.hidden = true;
    find('main').focus();
  });

  const Kind = self.SharedWorker || Worker;
  const worker = new Kind(script.dataset.stream);
  const port = worker.port || worker;
  port.onmessage = ({ data }) => {
    if (data.kind === 'over') over();
    else if (data.kind === 'lost') say('No connection to the coordinator; trying again.');
    else if (data.kind === 'open') status.textContent = '';
    else soon();
  };
  port.postMessage({ since: Number(document.body.dataset.since) });
  addEventListener('pagehide', () => port.postMessage('bye'));
  addEventListener('pageshow', (event) => event.persisted && location.reload());
  find('live').hidden = false;
}
