// What a phantom shows. Everything left out is drawn from the seed.
import type { Density, Laterality, MassMargin, MassShape } from '@versamammo/schema';

export interface PhantomMass {
  shape: Extract<MassShape, 'round' | 'oval' | 'lobulated' | 'irregular'>;
  margin: Extract<MassMargin, 'circumscribed' | 'ill_defined' | 'microlobulated' | 'spiculated'>;
  /** Millimetres. */
  diameter: number;
}

export interface PhantomCluster {
  /** Number of calcifications. */
  count: number;
  /** Millimetres across the cluster. */
  diameter: number;
}

export interface PhantomOptions {
  laterality?: Laterality;
  view?: 'CC' | 'MLO';
  density?: Density;
  /** Years. */
  age?: number;
  /** Masses to place; default: none, one or two, drawn from the seed. */
  masses?: PhantomMass[];
  /** Clusters of calcifications to place; default: none or one, drawn from the seed. */
  clusters?: PhantomCluster[];
  /** Longer side of the image in pixels; default 512. The other is 4/5 of it. */
  longSide?: number;
}
