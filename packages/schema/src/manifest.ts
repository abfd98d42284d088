// Manifest: everything that a model bundle declares as data, so that another bundle runs with no change of code.
import { z } from 'zod';
import { CaseRecord } from './case-record.ts';

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hex digits');
const RelativePath = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_./-]*$/)
  .refine((path) => !path.split('/').includes('..'), 'a path inside the bundle');
const Share = z.number().min(0).max(1);
const Label = z.string().min(1).max(64);

/** A tensor of an ONNX graph. A dimension is its size, or the name of a dynamic axis. */
export const TensorSpec = z.strictObject({
  name: z.string(),
  dtype: z.enum(['float32', 'float16', 'int64', 'int32', 'uint8', 'bool']),
  shape: z.array(z.union([z.int().positive(), z.string()])),
});
export type TensorSpec = z.infer<typeof TensorSpec>;

/**
 * From a mammogram to the encoder's input tensor [batch, channels, height, width], in this order:
 * resize to `preparedLongSide` keeping the aspect (never enlarged beyond it, antialiased bilinear), round to 16 bits;
 * resize to height × width: `stretch` ignores the aspect; `pad` keeps it, places the image at the left edge (the chest
 * wall), vertically centred (top padding = floor of half), and fills with 0; then (x − mean) / deviation per channel,
 * grey repeated over the channels.
 */
export const ModelInput = z.strictObject({
  preparedLongSide: z.int().positive(),
  height: z.int().positive(),
  width: z.int().positive(),
  fit: z.enum(['pad', 'stretch']),
  channels: z.union([z.literal(1), z.literal(3)]),
  mean: z.array(z.number()),
  deviation: z.array(z.number().positive()),
});
export type ModelInput = z.infer<typeof ModelInput>;

/** A feature map [batch, channels, height, width]; `stride` is in model-input pixels. */
export const MapSpec = z.strictObject({ tensor: TensorSpec, stride: z.number().positive() });
export type MapSpec = z.infer<typeof MapSpec>;

const Encoder = z.strictObject({
  file: RelativePath,
  backbone: z.string(),
  input: TensorSpec,
  /** Pooled, projected, unit length: [batch, dimension]. */
  vector: TensorSpec,
  dimension: z.int().min(2).max(512),
  maps: z.array(MapSpec).min(1),
});

const Metric = z.strictObject({
  name: z.string(),
  source: z.string(),
  split: z.enum(['validation', 'test']),
  value: z.number(),
  /** 95 % patient-clustered bootstrap interval. */
  interval: z.tuple([z.number(), z.number()]),
  replicates: z.int(),
  chance: z.number().nullable(),
  images: z.int(),
  patients: z.int(),
});
export type Metric = z.infer<typeof Metric>;

/** Which images a head speaks about. Outside of it a result carries a note. */
const Domain = z.strictObject({
  sources: z.array(z.string()).min(1),
  /** What the head was asked in training, e.g. "Is there cancer in this breast?" */
  question: z.string(),
  /** Views and modalities of its training images; null: any. */
  views: z.array(z.string()).nullable(),
  modalities: z.array(z.string()).nullable(),
  /** What must hold of the image, said to the reader, e.g. "a mass is present". */
  condition: z.string().nullable(),
  exploratory: z.boolean(),
});

const OperatingPoint = z.strictObject({
  label: Label,
  threshold: Share,
  /** What it stands for, e.g. "sensitivity 0.90 on validation". */
  operatingPoint: z.string(),
  sensitivity: Share,
  specificity: Share,
});

const headBase = {
  name: z.string().regex(/^[a-z0-9_]+$/),
  file: RelativePath,
  /** Names of encoder outputs (the vector or maps) → names of the head's inputs. */
  inputs: z.record(z.string(), z.string()),
  domain: Domain,
  metrics: z.array(Metric),
};

export const ClassificationHead = z.strictObject({
  kind: z.literal('classification'),
  ...headBase,
  /** Logits [batch, labels]. */
  logits: TensorSpec,
  activation: z.enum(['softmax', 'sigmoid']),
  labels: z.array(Label).min(1),
  /** Logits are divided by it before the activation. */
  temperature: z.number().positive(),
  /** Share of each label in the images it was calibrated on. A caller's prior shifts the log-odds by the ratio. */
  prior: z.record(Label, Share),
  thresholds: z.array(OperatingPoint),
});
export type ClassificationHead = z.infer<typeof ClassificationHead>;

export const DetectionHead = z.strictObject({
  kind: z.literal('detection'),
  ...headBase,
  labels: z.array(Label).min(1),
  levels: z
    .array(
      z.strictObject({
        stride: z.number().positive(),
        /** Logits [batch, labels, height, width]. */
        scores: TensorSpec,
        /** [batch, 4, height, width]: distances left, top, right, bottom from the cell's centre ((i + 0.5) · stride), in strides, ≥ 0. */
        distances: TensorSpec,
      }),
    )
    .min(1),
  boxCoding: z.literal('ltrb'),
  temperature: z.number().positive(),
  scoreThreshold: Share,
  /** Greedy non-maximum suppression per label. */
  overlapLimit: Share,
  maximum: z.int().positive(),
  /** What the score threshold stands for, e.g. "0.5 false positives an image on validation". */
  operatingPoint: z.string(),
});
export type DetectionHead = z.infer<typeof DetectionHead>;

export const SegmentationHead = z.strictObject({
  kind: z.literal('segmentation'),
  ...headBase,
  labels: z.array(Label).min(1),
  /** Logits [batch, labels, height, width] over the model input's extent. */
  logits: TensorSpec,
  temperature: z.number().positive(),
  threshold: Share,
});
export type SegmentationHead = z.infer<typeof SegmentationHead>;

export const Head = z.discriminatedUnion('kind', [ClassificationHead, DetectionHead, SegmentationHead]);
export type Head = z.infer<typeof Head>;

/** Embedding of a box of an image, in a space of its own. Inputs: encoder outputs, and boxes [n, 4] (x0, y0, x1, y1) in model-input pixels of batch item 0. */
export const RegionHead = z.strictObject({
  file: RelativePath,
  inputs: z.record(z.string(), z.string()),
  boxes: TensorSpec,
  /** [n, dimension], unit length. */
  vector: TensorSpec,
  dimension: z.int().min(2).max(512),
  /** The caller widens the box by this share of its size on each side, within the model input. */
  context: z.number().min(0),
  metrics: z.array(Metric),
});
export type RegionHead = z.infer<typeof RegionHead>;

/** A topic of question answering. */
export const Topic = z.strictObject({
  name: z.string().regex(/^[a-z0-9_]+$/),
  /** For people: "breast density". */
  title: z.string(),
  /** From the image (by the head), or from the image header. */
  from: z.enum(['image', 'header']),
  /** False: defined, but this bundle was not trained for it. */
  trained: z.boolean(),
  labels: z.array(Label),
  /** How each label is said, beside the label: "A": ["almost entirely fatty", …]. For several-choice options. */
  phrases: z.record(Label, z.array(z.string())),
  multilabel: z.boolean(),
  /** Which field of `Labels` votes, and how its values read as labels: value (as a string) → label. A case without the field, or with another value, does not vote. */
  vote: z.strictObject({ field: z.string(), values: z.record(z.string(), Label) }).nullable(),
  /** First of the topic's logits in the head's output; null where not trained. */
  offset: z.int().nullable(),
  temperature: z.number().positive(),
  prior: z.record(Label, Share),
  domain: Domain.nullable(),
  /** The answer is withheld below this probability; and what that buys on validation. */
  abstainBelow: Share,
  coverage: Share.nullable(),
  accuracyAnswered: Share.nullable(),
  /** Bias of the gate, and similarity below which a case does not vote. */
  gateBias: z.number(),
  similarityFloor: z.number(),
  /** "The breast density is {label}." */
  sentence: z.string(),
});
export type Topic = z.infer<typeof Topic>;

/**
 * Question answering. text: input_ids, attention_mask [1, tokens] → tokens [1, tokens, d], sentence [1, d] (unit length).
 * router: sentence → logits [1, topics + 1], topics in order, then "not answerable". head: tokens, mask, map(s) → logits [1, answers].
 *
 * Gate: w = sigmoid(bias of topic + weights · [best similarity, ln(1 + voters), entropy of head, entropy of vote]),
 * entropies in nats divided by ln(labels). Combined: softmax((1 − w) · ln head + w · ln vote), the vote smoothed by `smoothing`
 * (vote = (Σ weights of the label + smoothing · prior) / (Σ weights + smoothing), weight = exp((similarity − 1) / voteTemperature)).
 * No voter: w = 0. A topic of several answers does this once for each label between present and absent (logits through a
 * sigmoid, prior and 1 − prior, entropies the means over the labels); a label at or above one half is among the answers.
 */
export const Answers = z.strictObject({
  tokenizer: RelativePath,
  text: z.strictObject({
    file: RelativePath,
    inputIds: TensorSpec,
    attentionMask: TensorSpec,
    tokens: TensorSpec,
    sentence: TensorSpec,
    maxTokens: z.int().positive(),
  }),
  router: z.strictObject({
    file: RelativePath,
    sentence: TensorSpec,
    logits: TensorSpec,
    temperature: z.number().positive(),
    /** Below this probability of the best topic the question counts as not understood. */
    threshold: Share,
  }),
  head: z.strictObject({
    file: RelativePath,
    tokens: TensorSpec,
    attentionMask: TensorSpec,
    inputs: z.record(z.string(), z.string()),
    logits: TensorSpec,
  }),
  topics: z.array(Topic).min(1),
  gate: z.strictObject({
    weights: z.tuple([z.number(), z.number(), z.number(), z.number()]),
    neighbours: z.int().positive(),
    voteTemperature: z.number().positive(),
    smoothing: z.number().positive(),
  }),
  metrics: z.array(Metric),
});
export type Answers = z.infer<typeof Answers>;

/** One line of a reference collection's `cases`: the case, how to cite it, and the id of its image (a region's record has an id of its own). */
export const ReferenceRecord = CaseRecord.extend({ citation: z.string().min(1), image: z.uuid() });
export type ReferenceRecord = z.infer<typeof ReferenceRecord>;

export const Manifest = z.strictObject({
  schema: z.literal('versamammo-bundle/1'),
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{1,62}$/),
  version: z.string().regex(/^\d+\.\d+\.\d+$/),
  created: z.iso.datetime(),
  description: z.string(),
  intendedUse: z.string(),
  licence: z.strictObject({ id: z.string(), statement: z.string(), commercialUse: z.boolean() }),
  /** Every file of the bundle but this one. */
  files: z.record(RelativePath, z.strictObject({ bytes: z.int().nonnegative(), sha256: Sha256 })),
  /** Highest ONNX opset of the files. */
  opset: z.int(),
  input: ModelInput,
  encoder: Encoder,
  heads: z.array(Head),
  region: RegionHead.nullable(),
  answers: Answers.nullable(),
  /** Reference vectors (float32, [count, dimension], little-endian, row-major) of a sample of training images, the mean
   *  similarity to the k nearest, and its quantiles 0, 0.01 … 1 over validation images (101 numbers, ascending).
   *  `appearance`: an output of the encoder's graph, [batch, features], means of a feature map over a coarse grid, against their
   *  mean, deviation and orthonormal components (float32, [2 + components, features]): the root mean square of what the
   *  standardised means have beside the components, and its quantiles over validation images.
   *  `inverted`: a line over another such output (float32, [features + 1], weights then offset): above 0 the image's grey values
   *  look inverted, at −1 and +1 lie the medians of training images and of their inverses. */
  support: z
    .strictObject({
      file: RelativePath,
      count: z.int().positive(),
      k: z.int().positive(),
      quantiles: z.array(z.number()).length(101),
      limit: Share,
      appearance: z
        .strictObject({
          file: RelativePath,
          means: TensorSpec,
          components: z.int().positive(),
          quantiles: z.array(z.number()).length(101),
          limit: Share,
        })
        .nullish(),
      inverted: z.strictObject({ file: RelativePath, means: TensorSpec }).nullish(),
    })
    .nullable(),
  /** The reference collection: `vectors` (float32, as above; region vectors likewise) and `cases` (JSON Lines of ReferenceRecord, in the same order). */
  reference: z
    .strictObject({
      vectors: RelativePath,
      cases: RelativePath,
      count: z.int().positive(),
      citations: z.array(z.strictObject({ dataset: z.string(), citation: z.string(), licence: z.string() })),
      regions: z.strictObject({ vectors: RelativePath, cases: RelativePath, count: z.int().positive() }).nullable(),
    })
    .nullable(),
  training: z.strictObject({
    datasets: z.array(
      z.strictObject({
        name: z.string(),
        licence: z.string(),
        images: z.int(),
        patients: z.int(),
        contentSha256: Sha256.nullable(),
      }),
    ),
    /** SHA-256 of "<dataset>/<patient>" of every patient that any gradient saw, sorted. */
    patientHashesFile: RelativePath.nullable(),
    commit: z.string().nullable(),
    seed: z.int(),
  }),
  metrics: z.array(Metric),
});
export type Manifest = z.infer<typeof Manifest>;
