import { useEffect, useState } from "preact/hooks";

import { NO_FILTERS, STATES } from "../api";
import type { Filters, SessionPage, SessionState } from "../api";
import type { Question } from "../questions";
import type { View, Watch } from "../watch";

/** Long enough for a word, short enough not to be waited for. */
const TYPING_MS = 300;

/** Which sessions are listed. */
export function Toolbar({
  view,
  page,
  watch,
  ask,
}: {
  view: View;
  page: SessionPage;
  watch: Watch;
  ask: (question: Question) => void;
}) {
  const { filters } = view;
  const filter = (change: Partial<Filters>) => {
    watch.filter({ ...filters, ...change });
  };
  return (
    <header class="sheet-head">
      <h2 id="sessions-title">Sessions</h2>
      <form
        class="filters"
        role="search"
        aria-label="Sessions"
        onSubmit={(event) => {
          event.preventDefault();
        }}
      >
        <Choice
          name="State"
          value={filters.state}
          all={STATES}
          choose={(state) => {
            filter({ state: state as SessionState | "" });
          }}
        />
        <Choice
          name="Assistant"
          value={filters.assistant}
          all={view.figures?.assistants ?? []}
          choose={(assistant) => {
            filter({ assistant });
          }}
        />
        <PrincipalField filters={filters} page={page} filter={filter} />
        <Doings view={view} watch={watch} ask={ask} />
      </form>
    </header>
  );
}

/** What is done with what is filtered. */
function Doings({ view, watch, ask }: { view: View; watch: Watch; ask: (q: Question) => void }) {
  const { principal, ...others } = view.filters;
  return (
    <>
      {[principal, ...Object.values(others)].some((value) => value !== "") && (
        <button
          class="small"
          type="button"
          onClick={() => {
            watch.filter(NO_FILTERS);
          }}
        >
          Clear
        </button>
      )}
      {principal !== "" && (
        <button
          class="small grave"
          type="button"
          disabled={view.phase.name === "gone"}
          onClick={() => void askAboutAll(principal, watch, ask)}
        >
          End all of {principal}…
        </button>
      )}
    </>
  );
}

/** Count first: the filters on state and assistant do not narrow what is ended. */
async function askAboutAll(
  principal: string,
  watch: Watch,
  ask: (question: Question) => void,
): Promise<void> {
  const answer = await watch.server.sessions({ ...NO_FILTERS, principal }, 1, null);
  ask({ kind: "end-all", principal, count: answer.kind === "ok" ? answer.value.total : null });
}

function Choice({
  name,
  value,
  all,
  choose,
}: {
  name: string;
  value: string;
  all: readonly string[];
  choose: (value: string) => void;
}) {
  // What is chosen stays there, even where nothing is known of it any more.
  const options = value === "" || all.includes(value) ? all : [...all, value];
  return (
    <p class="field">
      <label for={`filter-${name}`}>{name}</label>
      <select
        id={`filter-${name}`}
        value={value}
        onChange={(event) => {
          choose(event.currentTarget.value);
        }}
      >
        <option value="">all</option>
        {options.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </p>
  );
}

function PrincipalField({
  filters,
  page,
  filter,
}: {
  filters: Filters;
  page: SessionPage;
  filter: (change: Partial<Filters>) => void;
}) {
  const [typed, setTyped] = useState(filters.principal);
  // It may have been chosen in the table, or cleared.
  useEffect(() => {
    setTyped(filters.principal);
  }, [filters.principal]);
  useEffect(() => {
    if (typed.trim() === filters.principal) return;
    const timer = setTimeout(() => {
      filter({ principal: typed.trim() });
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [typed]);
  const known = [...new Set(page.sessions.map(({ principal }) => principal))].sort();
  return (
    <p class="field">
      <label for="filter-principal">Principal</label>
      <input
        id="filter-principal"
        type="search"
        list="principals"
        placeholder="all"
        autocomplete="off"
        spellcheck={false}
        maxLength={256}
        value={typed}
        onInput={(event) => {
          setTyped(event.currentTarget.value);
        }}
      />
      <datalist id="principals">
        {known.map((principal) => (
          <option key={principal} value={principal} />
        ))}
      </datalist>
    </p>
  );
}
