//! The table and the plot.

use std::{fmt::Write, fs, path::Path, thread};

use super::{
    api::goal,
    figures::{Figures, FleetFigures},
    floods::FloodFigure,
};

const PAGE: &str = "docs/performance.md";
const PLOT: &str = "docs/growth.svg";
const MARK: &str = "<!-- below: written by ./scripts/bench -->\n";

pub fn write(figures: &Figures) {
    let table = table(figures);
    println!("{table}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join(PAGE)).unwrap_or_default();
    let words = page.split(MARK).next().unwrap_or_default();
    fs::write(root.join(PAGE), format!("{words}{MARK}\n{table}")).unwrap();
    fs::write(root.join(PLOT), plot(&figures.fleets)).unwrap();
}

fn machine() -> String {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    format!(
        "{cpus} cores, {} GiB of memory, coordinator and clients on the same machine",
        kib >> 20
    )
}

fn table(figures: &Figures) -> String {
    let mut text = format!("Version {}, {}.\n\n", env!("CARGO_PKG_VERSION"), machine());
    let mut row = |name: &str, value: String, goal: &str, met: bool| {
        let met = if met { "" } else { " (missed)" };
        writeln!(text, "| {name} | {value} | {goal}{met} |").unwrap();
    };
    row("figure", "measured".into(), "goal", true);
    row("---", "---".into(), "---", true);
    let p50 = figures.join_p50;
    row(
        "command start → connected, 50 runs",
        format!("{p50:.3} s p50, {:.3} s p99", figures.join_p99),
        "≤ 0.15 s p50",
        p50 <= 0.15,
    );
    let flooded = figures.join_flooded_p50;
    row(
        "the same under 2,000 idle connections and a flood of bad passwords, 20 runs",
        format!("{flooded:.3} s p50"),
        "< 2 × as long",
        flooded < 2.0 * p50,
    );
    row("binary", format!("{:.1} MiB", figures.binary_mib), "≤ 12 MB", figures.binary_mib <= 12.0);
    row(
        "`ece-agent --version`",
        format!("{:.1} ms p50", figures.version_ms),
        "≤ 10 ms",
        figures.version_ms <= 10.0,
    );
    row(
        "idle agent, memory",
        format!(
            "{:.1} MiB resident, {:.1} MiB of it its own and not the program's file",
            figures.agent_mib, figures.agent_own_mib
        ),
        "≤ 10 MB",
        figures.agent_mib <= 10.0,
    );
    row(
        "idle agent, CPU over ten minutes",
        format!("{:.2} %", figures.agent_cpu),
        "≤ 0.1 %",
        figures.agent_cpu <= 0.1,
    );
    text.push_str("\nWith simulated hosts:\n\n");
    text.push_str("| hosts | joins/s | coordinator KiB/host | coordinator CPU idle | role change p50, p99 | all back after a crash | API p99 meanwhile | shown as lost meanwhile | `GET allocators?size=10000` |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|\n| goal | ≥ 1,000 | ≤ 30 | ≤ 10 % at 15,000 | ≤ 250 ms p99 | ≤ 15 s | ≤ 250 ms | 0 | ≤ 100 ms |\n");
    for fleet in &figures.fleets {
        writeln!(
            text,
            "| {} | {:.0} | {:.1} | {:.1} % | {:.0} ms, {:.0} ms | {:.1} s | {:.0} ms | {} | {:.0} ms |",
            fleet.hosts,
            fleet.joins_per_second,
            fleet.kib_per_host,
            fleet.cpu_percent,
            fleet.role_p50_ms,
            fleet.role_p99_ms,
            fleet.back_seconds,
            fleet.back_api_p99_ms,
            fleet.shown_as_lost,
            fleet.list_ms
        )
        .unwrap();
    }
    if let Some(largest) = figures.fleets.last() {
        write!(
            text,
            "\nThe API with {} hosts, asked by one process on the same two cores:\n\n\
             | request | per second | p99 | goal |\n|---|---|---|---|\n",
            largest.hosts
        )
        .unwrap();
    }
    for figure in &figures.api {
        let (goal, met) = goal(figure);
        let met = if met { "" } else { " (missed)" };
        writeln!(
            text,
            "| {} | {:.0} | {:.1} ms | {goal}{met} |",
            figure.name, figure.per_second, figure.p99_ms
        )
        .unwrap();
    }
    text.push_str(&floods(&figures.floods));
    text.push_str("\n![growth with the number of hosts](growth.svg)\n");
    text
}

/// What each flood costs everybody else.
pub fn floods(figures: &[FloodFigure]) -> String {
    let mut text = String::from(
        "\nWhat a flood of five seconds from a process of its own costs everybody else, on the same two cores:\n\n\
         | flood | `GET /user` p50, p99 | failed | login | host stays connected | role change | store | log | open files |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let ms = |ms: Option<f64>| ms.map_or("not in 10 s".to_owned(), |ms| format!("{ms:.0} ms"));
    for figure in figures {
        writeln!(
            text,
            "| {} | {:.1} ms, {:.1} ms | {} | {} | {} | {} | {:.0} KiB | {:.0} KiB | {} |",
            figure.title,
            figure.user_p50_ms,
            figure.user_p99_ms,
            figure.user_failed,
            ms(figure.login_ms),
            if figure.stayed_connected { "yes" } else { "no" },
            ms(figure.role_ms),
            figure.disk_kib,
            figure.log_kib,
            figure.descriptors,
        )
        .unwrap();
    }
    text
}

type Series = (&'static str, fn(&FleetFigures) -> f64);

/// One small plot for each figure that may grow with the fleet.
fn plot(fleets: &[FleetFigures]) -> String {
    const SERIES: [Series; 6] = [
        ("joins/s", |fleet| fleet.joins_per_second),
        ("KiB/host", |fleet| fleet.kib_per_host),
        ("CPU %", |fleet| fleet.cpu_percent),
        ("role change p99 ms", |fleet| fleet.role_p99_ms),
        ("back after crash s", |fleet| fleet.back_seconds),
        ("GET allocators ms", |fleet| fleet.list_ms),
    ];
    const WIDTH: f64 = 200.0;
    const HEIGHT: f64 = 110.0;
    const GAP: f64 = 30.0;
    let most_hosts = fleets.iter().map(|fleet| fleet.hosts).max().unwrap_or(1) as f64;
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 320\" font-family=\"sans-serif\" font-size=\"11\">\n",
    );
    for (index, (name, value)) in SERIES.into_iter().enumerate() {
        let (left, top) = (
            GAP + (index % 3) as f64 * (WIDTH + GAP),
            GAP + (index / 3) as f64 * (HEIGHT + 2.0 * GAP),
        );
        let most = fleets.iter().map(value).fold(f64::MIN_POSITIVE, f64::max);
        let points: Vec<String> = fleets
            .iter()
            .map(|fleet| {
                let x = left + fleet.hosts as f64 / most_hosts * WIDTH;
                let y = top + HEIGHT - value(fleet) / most * HEIGHT;
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let (bottom, right) = (top + HEIGHT, left + WIDTH);
        writeln!(
            svg,
            "<text x=\"{left}\" y=\"{:.1}\">{name} (up to {most:.1})</text>\n\
             <path d=\"M{left},{top} V{bottom} H{right}\" fill=\"none\" stroke=\"#888\"/>\n\
             <polyline points=\"{}\" fill=\"none\" stroke=\"#06c\" stroke-width=\"2\"/>\n\
             <text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{most_hosts} hosts</text>",
            top - 6.0,
            points.join(" "),
            bottom + 13.0
        )
        .unwrap();
    }
    svg.push_str("</svg>\n");
    svg
}
