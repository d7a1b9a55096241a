import type { ComponentChildren } from "preact";

import { STATES } from "../api";
import type { SessionPage } from "../api";
import type { Figures as Read } from "../figures";
import type { View } from "../watch";
import type { Quantile } from "../windows";
import { bytes, latency, rate, whole } from "../words";
import { Spark } from "./spark";

/** Callers hear a loop that is later than this; see docs/operations.md, Sizing. */
const LATE_S = 0.05;
/** A person notices, and hangs up after a few of them. */
const SLOW_S = 2;

/** The figures on top. */
export function Figures({ view, page }: { view: View; page: SessionPage }) {
  const { figures, info } = view;
  return (
    <section class="figures" aria-label="Figures">
      <SessionsTile figures={figures} />
      <Tile
        title="Waiting callers"
        value={whole(page.waiting)}
        note={waitingNote(info?.max_waiting_callers ?? null)}
        warn={page.waiting > 0}
      >
        <Spark least={5} lines={[{ kind: "waiting", points: figures?.lines.waiting ?? [] }]} />
      </Tile>
      {figures !== null && (
        <>
          <RefusedTile figures={figures} />
          <Tile
            title="Event-loop lag"
            value={quantile(figures.lag.high)}
            note={`99 % below, last minute · median ${quantile(figures.lag.median)}`}
            warn={(figures.lag.high?.seconds ?? 0) > LATE_S}
          >
            <Spark least={LATE_S} lines={[{ kind: "lag", points: figures.lines.lag }]} />
          </Tile>
          <Tile
            title="First answer"
            value={quantile(figures.answer.median)}
            note={
              figures.answer.count === 0
                ? "no answers in the last 5 minutes"
                : `median of ${whole(figures.answer.count)}, last 5 minutes · 95 % below ${quantile(figures.answer.high)}`
            }
            warn={(figures.answer.median?.seconds ?? 0) > SLOW_S}
          >
            <Spark least={1} lines={[{ kind: "answer", points: figures.lines.answer }]} />
          </Tile>
          <TrafficTile figures={figures} />
        </>
      )}
    </section>
  );
}

function SessionsTile({ figures }: { figures: Read | null }) {
  if (figures === null) return <Tile title="Sessions" value="–" note="not known" />;
  const { byState, limit, sessions } = figures;
  const full = limit !== null && sessions >= limit * 0.9;
  return (
    <Tile
      title="Sessions"
      value={whole(sessions)}
      of={limit === null ? undefined : whole(limit)}
      note={
        <Parts
          parts={STATES.map((state) => [state, byState[state]] as const)}
          nothing="nobody is talking"
        />
      }
      warn={full}
    >
      <Spark least={5} lines={[{ kind: "sessions", points: figures.lines.sessions }]} />
    </Tile>
  );
}

function RefusedTile({ figures }: { figures: Read }) {
  const { recent, sinceStart } = figures.refused;
  return (
    <Tile
      title="Refused"
      value={whole(recent)}
      note={
        <Parts
          before="since the start:"
          parts={sinceStart}
          nothing="nobody since the server started"
        />
      }
      of="5 min"
      ofWord="in"
      warn={recent > 0}
    >
      <Spark least={2} lines={[{ kind: "refused", points: figures.lines.refused }]} />
    </Tile>
  );
}

/** Counts with their names, those that there are. */
function Parts({
  before,
  parts,
  nothing,
}: {
  before?: string;
  parts: readonly (readonly [string, number])[];
  nothing: string;
}) {
  const there = parts.filter(([, count]) => count > 0);
  if (there.length === 0) return <>{nothing}</>;
  return (
    <span class="parts">
      {before !== undefined && <span>{before}</span>}
      {there.map(([name, count]) => (
        <span key={name}>
          {whole(count)} {name}
        </span>
      ))}
    </span>
  );
}

function TrafficTile({ figures }: { figures: Read }) {
  const { lines, received, sent } = figures;
  const flow = (way: Read["sent"]) =>
    way === null ? "–" : `${rate(way.messages)} msg/s, ${bytes(way.bytes)}/s`;
  return (
    <Tile
      title="Messages a second"
      value={received === null || sent === null ? "–" : rate(received.messages + sent.messages)}
      note={
        <>
          <span class="key received">in</span> {flow(received)}
          <br />
          <span class="key sent">out</span> {flow(sent)}
        </>
      }
    >
      <Spark
        least={1}
        lines={[
          { kind: "received", points: lines.received },
          { kind: "sent", points: lines.sent },
        ]}
      />
    </Tile>
  );
}

function Tile({
  title,
  value,
  of,
  ofWord = "of",
  note,
  warn = false,
  children,
}: {
  title: string;
  value: string;
  of?: string | undefined;
  ofWord?: string;
  note: ComponentChildren;
  warn?: boolean;
  children?: ComponentChildren;
}) {
  return (
    <article class={warn ? "tile warn" : "tile"}>
      <h2>{title}</h2>
      <p class="value">
        {value}
        {of !== undefined && (
          <small>
            {" "}
            {ofWord} {of}
          </small>
        )}
      </p>
      {children}
      <p class="under">{note}</p>
    </article>
  );
}

function quantile(found: Quantile | null): string {
  if (found === null) return "–";
  return found.above ? `> ${latency(found.seconds)}` : latency(found.seconds);
}

function waitingNote(most: number | null): string {
  if (most === null) return "for a session";
  return most === 0 ? "nobody may wait here" : `at most ${whole(most)} in a process`;
}
