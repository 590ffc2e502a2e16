// One stream of news for all pages of a browser, in a worker that they share.
'use strict';

// The browser ends a stream when the page that began it is left; who is left goes on at once.
const FIRST = 100;
const ports = new Set();
let source = null;
let since = 0;
let wait = FIRST;
let timer = 0;

function tell(message) {
  for (const port of ports) port.postMessage(message);
}

function heard(event, message) {
  since = Math.max(since, Number(event.lastEventId) || 0);
  tell(message);
}

function open() {
  timer = 0;
  source = new EventSource('/events?since=' + since);
  source.onopen = () => {
    wait = FIRST;
    tell({ kind: 'open' });
  };
  source.addEventListener('changed', (event) => heard(event, { kind: 'changed', ...JSON.parse(event.data) }));
  source.addEventListener('reset', (event) => heard(event, { kind: 'reset' }));
  source.addEventListener('over', () => {
    close();
    tell({ kind: 'over' });
  });
  source.onerror = () => {
    source.close();
    if (wait > 5 * FIRST) tell({ kind: 'lost' });
    timer = setTimeout(open, wait * (1 + Math.random()));
    wait = Math.min(wait * 3, 30000);
  };
}

function close() {
  clearTimeout(timer);
  if (source) source.close();
  source = null;
  timer = 0;
}

function connect(port) {
  port.onmessage = ({ data }) => {
    if (data === 'bye') {
      ports.delete(port);
      if (ports.size === 0) close();
      return;
    }
    ports.add(port);
    if (!source) {
      since = data.since;
      open();
    } else if (since > data.since) {
      port.postMessage({ kind: 'reset' });
    }
  };
}

if ('onconnect' in self) self.onconnect = (event) => connect(event.ports[0]);
else connect(self);
