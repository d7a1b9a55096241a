// What a worklet's global scope has beyond the page's.

interface AudioWorkletProcessor {
  readonly port: MessagePort;
}

declare const AudioWorkletProcessor: new () => AudioWorkletProcessor;
declare const sampleRate: number;
declare function registerProcessor(name: string, processor: unknown): void;
