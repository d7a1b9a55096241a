import type { Endings } from "../api";
import { hourOf, MINUTES, VERDICTS } from "../endings";
import type { Bin, Hour, Verdict } from "../endings";
import { counted, span, whole } from "../words";

const STEP = 10;
const HEIGHT = 80;

const SAID: Record<Verdict, string> = {
  meant: "as meant",
  line: "caller lost",
  fault: "fault",
};

/** Why sessions ended in the last hour: a bar a minute, and the reasons. */
export function EndingsPanel({ endings }: { endings: Endings | null }) {
  const hour = endings === null ? null : hourOf(endings);
  return (
    <section class="sheet endings" aria-labelledby="endings-title">
      <header class="sheet-head">
        <h2 id="endings-title">
          {hour === null ? "Sessions" : counted(hour.total, "session")} ended
        </h2>
        {endings !== null && hour !== null && <p class="quiet">{covered(endings)}</p>}
      </header>
      {hour === null ? (
        <p class="empty">Why sessions ended could not be read.</p>
      ) : (
        <div class="ended-body">
          <Chart hour={hour} />
          {hour.total === 0 ? <p class="empty">None yet.</p> : <Reasons hour={hour} />}
        </div>
      )}
    </section>
  );
}

/** Say what the numbers cover, and what they do not. */
function covered({ covers_s, silent_processes }: Endings): string {
  const time =
    covers_s >= MINUTES * 60 - 1
      ? "in the last hour"
      : `in the last hour; complete for ${span(covers_s)}, as long as every process has been there`;
  return silent_processes === 0 ? time : `${time}; silent processes are missing`;
}

function Chart({ hour }: { hour: Hour }) {
  const most = Math.max(4, ...hour.bins.map((bin) => bin.meant + bin.line + bin.fault));
  const faults = hour.bins.reduce((sum, bin) => sum + bin.fault, 0);
  return (
    <figure class="by-minute">
      <svg
        viewBox={`0 0 ${MINUTES * STEP} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${counted(hour.total, "session")} ended, ${whole(faults)} by a fault; by the minute, the last one on the right`}
      >
        <path class="grid" d={`M0 ${HEIGHT / 2}H${MINUTES * STEP}`} />
        {hour.bins.map((bin, place) => (
          <Bars key={place} bin={bin} place={place} most={most} />
        ))}
        <path class="base" d={`M0 ${HEIGHT - 0.5}H${MINUTES * STEP}`} />
      </svg>
      <span class="scale" aria-hidden="true">
        {whole(most)}
      </span>
      <figcaption>
        <span>an hour ago</span>
        <span class="legend">
          {VERDICTS.map((verdict) => (
            <span key={verdict} class={`key ${verdict}`}>
              {SAID[verdict]}
            </span>
          ))}
        </span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}

function Bars({ bin, place, most }: { bin: Bin; place: number; most: number }) {
  let top = HEIGHT;
  return (
    <>
      {VERDICTS.map((verdict) => {
        const height = (bin[verdict] / most) * (HEIGHT - 2);
        top -= height;
        return (
          bin[verdict] > 0 && (
            <rect
              key={verdict}
              class={verdict}
              x={place * STEP + 1}
              y={top}
              width={STEP - 2}
              height={height}
            />
          )
        );
      })}
    </>
  );
}

function Reasons({ hour }: { hour: Hour }) {
  const most = Math.max(...hour.reasons.map(({ count }) => count));
  return (
    <table class="reasons">
      <caption class="unseen">Reasons, by how often</caption>
      <thead class="unseen">
        <tr>
          <th scope="col">Reason</th>
          <th scope="col">How it is to be read</th>
          <th scope="col">Sessions</th>
          <td />
        </tr>
      </thead>
      <tbody>
        {hour.reasons.map(({ name, verdict, count }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>
              <span class={`key ${verdict}`}>{SAID[verdict]}</span>
            </td>
            <td class="number">{whole(count)}</td>
            <td class="share" aria-hidden="true">
              <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                <rect class={verdict} width={(count / most) * 100} height="6" />
              </svg>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
