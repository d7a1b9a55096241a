import type { SessionInfo } from "../api";
import { dropsOf } from "../order";
import type { Row } from "../order";
import type { Question } from "../questions";
import type { Rate } from "../rates";
import { bytes, duration, rate, whole } from "../words";

interface Shown {
  row: Row;
  columns: number;
  open: boolean;
  /** Whether anything can be done with it. */
  live: boolean;
  toggle: (id: string) => void;
  choose: (principal: string) => void;
  ask: (question: Question) => void;
}

/** One session, and beneath it what there is no room for in a line. */
export function SessionRow(shown: Shown) {
  const { row, columns, open } = shown;
  const { info } = row;
  return (
    <>
      <tr role="row" class={info.ending_with === null ? "" : "ending"}>
        <Names {...shown} />
        <Numbers row={row} />
        <Ending {...shown} />
      </tr>
      {open && (
        <tr role="row" class="more" id={`more-${info.id}`}>
          <td role="cell" colSpan={columns}>
            <More info={info} />
          </td>
        </tr>
      )}
    </>
  );
}

function Names({ row: { info }, open, toggle, choose }: Shown) {
  return (
    <>
      <th scope="row" role="rowheader" class="id">
        <button
          type="button"
          class="disclose"
          aria-expanded={open}
          aria-controls={open ? `more-${info.id}` : undefined}
          onClick={() => {
            toggle(info.id);
          }}
        >
          <span class="twist" aria-hidden="true" />
          {info.id.slice(0, 8)}
        </button>
      </th>
      <td role="cell" data-label="State" class="state-cell">
        <State info={info} />
      </td>
      <td role="cell" data-label="Assistant" class="name">
        {info.assistant}
      </td>
      <td role="cell" data-label="Principal" class="name">
        <button
          type="button"
          class="plain"
          title="Show this principal’s sessions alone"
          onClick={() => {
            choose(info.principal);
          }}
        >
          {info.principal}
        </button>
      </td>
      <td role="cell" data-label="Active task" class="name task">
        {info.active_tasks.length === 0 ? "–" : info.active_tasks.join(", ")}
      </td>
    </>
  );
}

function Numbers({ row: { info, rates } }: { row: Row }) {
  const drops = dropsOf(info);
  return (
    <>
      <td role="cell" data-label="Age" class="number">
        {duration(info.age_s)}
      </td>
      <Flow label="In" flow={rates.received} />
      <Flow label="Out" flow={rates.sent} />
      <td role="cell" data-label="Resumes" class={faint(info.resumes)}>
        {whole(info.resumes)}
      </td>
      <td role="cell" data-label="Drops" class={`${faint(drops)}${drops > 0 ? " warn" : ""}`}>
        {whole(drops)}
      </td>
    </>
  );
}

function Ending({ row: { info }, live, ask }: Shown) {
  return (
    <td role="cell" class="doing">
      <button
        type="button"
        class="small grave"
        aria-label={`End session ${info.id.slice(0, 8)}`}
        disabled={!live || info.ending_with !== null}
        onClick={() => {
          ask({ kind: "end", session: info });
        }}
      >
        End…
      </button>
    </td>
  );
}

function faint(count: number): string {
  return count === 0 ? "number faint" : "number";
}

function Flow({ label, flow }: { label: string; flow: Rate | null }) {
  const nothing = flow === null || flow.messages === 0 ? "number faint" : "number";
  return (
    <>
      <td role="cell" data-label={`${label} msg/s`} class={nothing}>
        {flow === null ? "…" : rate(flow.messages)}
      </td>
      <td role="cell" data-label={`${label} B/s`} class={nothing}>
        {flow === null ? "…" : bytes(flow.bytes)}
      </td>
    </>
  );
}

function State({ info }: { info: SessionInfo }) {
  return (
    <span class={`state ${info.state}`}>
      <span class="dot" />
      {info.state}
      {info.answering && <span class="answering">answering</span>}
    </span>
  );
}

function More({ info }: { info: SessionInfo }) {
  const facts: [string, string][] = [
    ["Whole id", info.id],
    ["Active tasks", info.active_tasks.join(", ") || "none"],
    ["Quiet for", duration(info.idle_s)],
    ["In", `${whole(info.received.messages)} messages, ${bytes(info.received.size_bytes)}`],
    ["Out", `${whole(info.sent.messages)} messages, ${bytes(info.sent.size_bytes)}`],
    ["Dropped in", dropped(info.received.drops)],
    ["Dropped out", dropped(info.sent.drops)],
    ["Last lost with", info.lost_with === null ? "never lost" : String(info.lost_with)],
    ["Ends with", info.ending_with === null ? "does not end" : String(info.ending_with)],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function dropped(drops: Record<string, number>): string {
  const reasons = Object.entries(drops).map(([reason, count]) => `${reason} ${whole(count)}`);
  return reasons.length === 0 ? "nothing" : reasons.join(", ");
}
