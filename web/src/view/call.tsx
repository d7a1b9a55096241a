import { useEffect, useRef } from "preact/hooks";

import type { Controller } from "../app/controller";
import type { Model } from "../app/model";
import { sentence, titled } from "../app/words";
import { Phase } from "../call/phase";
import type { CallState } from "../call/state";
import { Composer } from "./composer";
import { Icon } from "./icons";
import { Panel } from "./panel";
import { Announcer } from "./status";
import { Timeline } from "./timeline";

/** A call, from its first moment to its last. */
export function Call({ model, does }: { model: Model; does: Controller }) {
  const { call } = model;
  return (
    <main class="call">
      <h1 class="unseen">A call with {titled(call.assistant)}</h1>
      <div class="talk">
        {call.entries.length === 0 ? <Empty model={model} /> : <Timeline call={call} />}
        {call.phase === Phase.Ended ? (
          <Ended call={call} does={does} />
        ) : (
          <Composer model={model} does={does} />
        )}
      </div>
      <Panel model={model} does={does} />
      <Announcer call={call} />
    </main>
  );
}

/** Before anything was said. */
function Empty({ model }: { model: Model }) {
  const { call } = model;
  return (
    <div class="timeline empty">
      {call.phase === Phase.Connecting ? (
        <>
          <span class="ring" />
          <p class="lead">Connecting to {titled(call.assistant)}</p>
          {call.mode === "voice" && <p class="quiet">If the browser asks, allow the microphone.</p>}
        </>
      ) : (
        <p class="lead">{titled(call.assistant)} is there. Say hello.</p>
      )}
    </div>
  );
}

/** Why it is over, and what can be done next. */
function Ended({ call, does }: { call: CallState; does: Controller }) {
  const again = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    again.current?.focus();
  }, []);
  const { reason, code } = call.ending ?? { reason: "the conversation ended", code: null };
  return (
    <div class="ended">
      <p>
        <strong>{sentence(reason)}.</strong>
        {code !== null && code !== 1000 && <span class="quiet"> Code {code}</span>}
      </p>
      <div class="actions">
        <button
          class="primary"
          type="button"
          ref={again}
          onClick={() => void does.start(call.mode)}
        >
          Call again
        </button>
        <button
          class="secondary"
          type="button"
          onClick={() => {
            does.leave();
          }}
        >
          <Icon name="back" />
          All assistants
        </button>
      </div>
    </div>
  );
}
