/** Prometheus's text format, as far as it is needed to read numbers. */

export interface Sample {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

/** A line of the text is neither a sample nor a comment. */
export class ExpositionError extends Error {}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const SPECIAL = new Map([
  ["+Inf", Infinity],
  ["-Inf", -Infinity],
  ["NaN", NaN],
]);
const LABEL = /^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?/;

/**
 * Read every sample.
 *
 * Source: the text format of Prometheus, version 0.0.4; times of samples are left out.
 */
export function parse(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    const trimmed = line.trim();
    if (trimmed !== "" && !trimmed.startsWith("#")) samples.push(sampleOf(trimmed));
  }
  return samples;
}

function sampleOf(line: string): Sample {
  const name = NAME.exec(line)?.[0];
  if (name === undefined) throw new ExpositionError("a line begins with no name");
  let rest = line.slice(name.length).trimStart();
  const labels: Record<string, string> = {};
  if (rest.startsWith("{")) {
    rest = rest.slice(1);
    for (let found = LABEL.exec(rest); found !== null; found = LABEL.exec(rest)) {
      const [whole, label = "", value = ""] = found;
      labels[label] = unescaped(value);
      rest = rest.slice(whole.length);
    }
    rest = rest.trimStart();
    if (!rest.startsWith("}")) throw new ExpositionError(`the labels of ${name} do not end`);
    rest = rest.slice(1);
  }
  return { name, labels, value: numberOf(name, rest.trim().split(/\s+/)[0] ?? "") };
}

function numberOf(name: string, text: string): number {
  const special = SPECIAL.get(text);
  if (special !== undefined) return special;
  const value = text === "" ? NaN : Number(text);
  if (Number.isNaN(value)) throw new ExpositionError(`${name} has no number`);
  return value;
}

function unescaped(value: string): string {
  return value.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
}
