import { useCallback, useRef } from "preact/hooks";

import { MAX_TEXT_CHARS, type Controller } from "../app/controller";
import type { Model } from "../app/model";
import { Phase } from "../call/phase";
import { Icon } from "./icons";
import { Meter } from "./meter";

/** Where a person talks, types and hangs up. */
export function Composer({ model, does }: { model: Model; does: Controller }) {
  const ready = model.call.phase !== Phase.Connecting;
  return (
    <div class="composer">
      {model.call.mode === "voice" && <Voice model={model} does={does} />}
      <Writing ready={ready} does={does} />
      <button class="hang-up" type="button" onClick={() => void does.hangUp()}>
        <Icon name="hangUp" />
        <span>End</span>
      </button>
    </div>
  );
}

function Voice({ model, does }: { model: Model; does: Controller }) {
  const level = useCallback(
    () => (does.model.muted ? 0 : (does.media?.microphone?.level.now() ?? 0)),
    [does],
  );
  const { muted } = model;
  return (
    <button
      class={muted ? "voice muted" : "voice"}
      type="button"
      aria-pressed={muted}
      aria-label="Mute the microphone"
      onClick={() => {
        does.mute(!muted);
      }}
    >
      <Icon name={muted ? "muted" : "microphone"} />
      <Meter level={level} bars={5} label="Level of your microphone" />
    </button>
  );
}

function Writing({ ready, does }: { ready: boolean; does: Controller }) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <form
      class="writing"
      onSubmit={(event) => {
        event.preventDefault();
        if (field.current !== null) {
          does.send(field.current.value);
          field.current.value = "";
        }
      }}
    >
      <label class="unseen" for="text">
        Write to the assistant
      </label>
      <input
        ref={field}
        id="text"
        type="text"
        maxLength={MAX_TEXT_CHARS}
        autocomplete="off"
        placeholder="Write to the assistant"
        disabled={!ready}
      />
      <button class="send" type="submit" disabled={!ready} aria-label="Send">
        <Icon name="send" />
      </button>
    </form>
  );
}
