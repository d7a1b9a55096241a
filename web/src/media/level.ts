/** Tells how loud something is, from 0 to 1, as an ear would have it. */
export class Level {
  private readonly analyser: AnalyserNode;
  private readonly samples: Float32Array<ArrayBuffer>;

  constructor(context: AudioContext) {
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = 1024;
    this.samples = new Float32Array(this.analyser.fftSize);
  }

  /** What is to be measured is connected to this. */
  get input(): AudioNode {
    return this.analyser;
  }

  now(): number {
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) {
      sum += sample * sample;
    }
    const decibels = 20 * Math.log10(Math.sqrt(sum / this.samples.length) + 1e-6);
    // From the noise of a quiet room to a voice that is near.
    return Math.max(0, Math.min(1, (decibels + 60) / 50));
  }
}
