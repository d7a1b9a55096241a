import type { Reading } from "../call/state";

const WIDTH = 240;
const HEIGHT = 72;

/** Write a time as people say it. */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(milliseconds < 9_950 ? 1 : 0)} s`;
}

/** How long each answer took to begin: a bar each. */
export function LatencyChart({ latencies }: { latencies: readonly number[] }) {
  const last = latencies.at(-1);
  if (last === undefined) {
    return <p class="quiet">Shown after your first turn.</p>;
  }
  const top = Math.max(1_000, ...latencies);
  const step = Math.min(18, WIDTH / latencies.length);
  const typical = [...latencies].sort((a, b) => a - b)[Math.floor(latencies.length / 2)] ?? last;
  return (
    <figure class="chart">
      <p class="figure">
        <strong>{seconds(last)}</strong> <span>last · {seconds(typical)} typical</span>
      </p>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="xMinYMax meet"
        role="img"
        aria-label={`Seconds from the end of your turn to the first sound: ${latencies.map(seconds).join(", ")}`}
      >
        <path class="axis" d={`M0 ${HEIGHT - 0.5}H${WIDTH}`} />
        {latencies.map((latency, index) => {
          const height = Math.max(2, (latency / top) * (HEIGHT - 6));
          return (
            <rect
              key={index}
              class={index === latencies.length - 1 ? "bar last" : "bar"}
              x={index * step}
              y={HEIGHT - height - 1}
              width={step - 4}
              height={height}
              rx={2}
            />
          );
        })}
      </svg>
    </figure>
  );
}

/** What a thermostat reads, and what it is set to, over time. */
export function TemperatureChart({ readings }: { readings: readonly Reading[] }) {
  const [first, last] = [readings[0], readings.at(-1)];
  if (first === undefined || last === undefined) {
    return null;
  }
  const values = readings.flatMap(({ temperature, target }) => [temperature, target]);
  const low = Math.min(...values) - 0.5;
  const high = Math.max(...values) + 0.5;
  const span = Math.max(last.at - first.at, 30_000);
  const x = ({ at }: Reading) => ((at - first.at) / span) * (WIDTH - 8) + 4;
  const y = (value: number) => HEIGHT - ((value - low) / (high - low)) * HEIGHT;
  const line = (value: (reading: Reading) => number) =>
    readings.map((r) => `${x(r).toFixed(1)},${y(value(r)).toFixed(1)}`).join(" ");
  return (
    <figure class="chart">
      <p class="figure">
        <strong>{last.temperature.toFixed(1)} °C</strong>{" "}
        <span>target {last.target.toFixed(1)} °C</span>
      </p>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="xMinYMax meet"
        role="img"
        aria-label={`The temperature is ${last.temperature.toFixed(1)} degrees, the target ${last.target.toFixed(1)}`}
      >
        <polyline class="target" points={line(({ target }) => target)} />
        <polyline class="reading" points={line(({ temperature }) => temperature)} />
        <circle class="now" cx={x(last)} cy={y(last.temperature)} r={3.5} />
      </svg>
    </figure>
  );
}
