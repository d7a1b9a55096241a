import { useRef } from "preact/hooks";

import type { Controller } from "../app/controller";
import type { Model } from "../app/model";

/** Asks for a token where the server wants one. */
export function Door({ model, does }: { model: Model; does: Controller }) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <main class="door">
      <form
        class="panel"
        onSubmit={(event) => {
          event.preventDefault();
          void does.useToken(field.current?.value.trim() ?? "");
        }}
      >
        <h1>This server wants a token</h1>
        <p>Whoever runs it has one for you. It is kept until you close this tab.</p>
        <label for="token">Token</label>
        <input
          ref={field}
          id="token"
          type="password"
          autocomplete="off"
          required
          aria-describedby={model.problem === null ? undefined : "token-problem"}
        />
        {model.problem !== null && (
          <p class="trouble" id="token-problem" role="alert">
            {model.problem}
          </p>
        )}
        <button class="primary" type="submit">
          Continue
        </button>
      </form>
    </main>
  );
}

/** Shown until the server has said what there is. */
export function Waiting({ model, does }: { model: Model; does: Controller }) {
  return (
    <main class="door" aria-busy={model.problem === null}>
      {model.problem === null ? (
        <p class="quiet">Asking the server…</p>
      ) : (
        <div class="panel">
          <h1>Nothing to talk to yet</h1>
          <p class="trouble" role="alert">
            {model.problem}
          </p>
          <button class="primary" type="button" onClick={() => void does.load()}>
            Try again
          </button>
        </div>
      )}
    </main>
  );
}
