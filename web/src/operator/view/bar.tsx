import { Mark } from "../../view/icons";
import type { SessionPage } from "../api";
import type { Question } from "../questions";
import type { View, Watch } from "../watch";
import { clock } from "../words";

type State = "ready" | "stalled" | "draining" | "gone" | "unknown";

const SAID: Record<State, string> = {
  ready: "Ready",
  stalled: "Stalled",
  draining: "Draining",
  gone: "Not answering",
  unknown: "Unknown",
};

/** How the server is, and what is done with it as a whole. */
export function Bar({
  view,
  page,
  watch,
  ask,
  leave,
}: {
  view: View;
  page: SessionPage;
  watch: Watch;
  ask: (question: Question) => void;
  leave: () => void;
}) {
  const state = stateOf(view, page);
  return (
    <header class="bar">
      <p class="brand">
        <Mark /> Trunkline
      </p>
      <p class="place">Operator</p>
      <p class={`health ${state}`}>
        <span class="dot" /> {SAID[state]}
      </p>
      <Processes view={view} />
      <Seen view={view} />
      <p class="doings">
        <button
          class="small"
          type="button"
          aria-pressed={view.paused}
          onClick={() => {
            watch.pause(!view.paused);
          }}
        >
          Hold still
        </button>
        <button class="small" type="button" onClick={leave}>
          Sign out
        </button>
        <button
          class="small grave"
          type="button"
          disabled={state === "draining" || state === "gone"}
          onClick={() => {
            ask({ kind: "drain" });
          }}
        >
          Drain…
        </button>
      </p>
    </header>
  );
}

/** Who looks at what, as of when. */
function Seen({ view }: { view: View }) {
  return (
    <p class="updated">
      {view.info !== null && (
        <>
          <span>
            signed in as <strong>{view.info.administrator}</strong>
          </span>
          <span>version {view.info.version}</span>
        </>
      )}
      {view.seenAt !== null && (
        <span>
          {view.paused ? "held at" : "as of"} <time>{clock(view.seenAt)}</time>
        </span>
      )}
    </p>
  );
}

/** Several processes are listed; one is the server. */
function Processes({ view }: { view: View }) {
  const processes = Object.entries(view.readiness?.processes ?? {});
  if (processes.length < 2) return null;
  return (
    <ul class="processes" aria-label="Processes">
      {processes.map(([place, state]) => (
        <li key={place} class={state}>
          <span class="dot" /> process {place} {state}
        </li>
      ))}
    </ul>
  );
}

function stateOf(view: View, page: SessionPage): State {
  if (view.phase.name === "gone") return "gone";
  if (page.draining) return "draining";
  const status = view.readiness?.status;
  return status === "ready" || status === "stalled" || status === "draining" ? status : "unknown";
}
