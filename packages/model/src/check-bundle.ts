// checkBundle: does what the manifest says agree with itself and with the ONNX files?
import type { Manifest, TensorSpec } from '@versamammo/schema';
import type { GraphTensor, OnnxGraph } from './onnx-graph.ts';
import { looks } from './support.ts';

/** Highest opset that onnxruntime 1.30 supports fully. */
const HIGHEST_OPSET = 24;

/** ONNX files that the manifest runs. */
export function graphFiles({ encoder, heads, region, answers }: Manifest): string[] {
  return [
    ...new Set([
      encoder.file,
      ...heads.map((head) => head.file),
      ...(region ? [region.file] : []),
      ...(answers ? [answers.text.file, answers.router.file, answers.head.file] : []),
    ]),
  ];
}

/** Every file that the manifest names. */
export function namedFiles(manifest: Manifest): string[] {
  const { answers, support, reference, training } = manifest;
  return [
    ...graphFiles(manifest),
    ...(answers ? [answers.tokenizer] : []),
    ...(support ? [support.file] : []),
    ...looks(support).map(({ file }) => file),
    ...(reference ? [reference.vectors, reference.cases] : []),
    ...(reference?.regions ? [reference.regions.vectors, reference.regions.cases] : []),
    ...(training.patientHashesFile === null ? [] : [training.patientHashesFile]),
  ];
}

/** What is wrong, one sentence each; none: what was looked at can be served. `graphs` are those read so far. */
export function checkBundle(manifest: Manifest, graphs: ReadonlyMap<string, OnnxGraph>): string[] {
  return [
    ...checkOpset(manifest, graphs),
    ...checkInput(manifest),
    ...checkGraphs(manifest, graphs),
    ...checkLabels(manifest),
    ...checkTopics(manifest),
    ...checkVectorFiles(manifest),
  ];
}

/** No file goes beyond the manifest's opset, and of all files one reaches it. */
function checkOpset(manifest: Manifest, graphs: ReadonlyMap<string, OnnxGraph>): string[] {
  const { opset } = manifest;
  const highest = Math.max(...[...graphs.values()].map((graph) => graph.opset));
  const all = graphFiles(manifest).every((file) => graphs.has(file));
  if (highest > opset || (all && highest < opset))
    return [`the manifest says opset ${opset}, its files go up to ${highest}`];
  return opset > HIGHEST_OPSET ? [`opset ${opset} is beyond ${HIGHEST_OPSET}: export with a lower one`] : [];
}

function checkInput({ input, encoder }: Manifest): string[] {
  const problems: string[] = [];
  if (input.mean.length !== input.channels || input.deviation.length !== input.channels)
    problems.push(`input: ${input.channels} channels need as many means and deviations`);
  const wanted = [input.channels, input.height, input.width];
  if (encoder.input.shape.slice(1).join() !== wanted.join())
    problems.push(`encoder: its input is ${show(encoder.input.shape)}, the manifest's input [batch, ${wanted}]`);
  if (encoder.vector.shape.at(-1) !== encoder.dimension)
    problems.push(`encoder: the vector is ${show(encoder.vector.shape)}, its dimension ${encoder.dimension}`);
  for (const { tensor, stride } of encoder.maps)
    for (const [axis, side] of [
      [2, input.height],
      [3, input.width],
    ] as const) {
      const cells = tensor.shape[axis];
      if (tensor.shape.length !== 4 || typeof cells !== 'number' || Math.abs(cells * stride - side) >= stride)
        problems.push(`encoder: map ${tensor.name} ${show(tensor.shape)} does not cover the input at stride ${stride}`);
    }
  return problems;
}

/** Which tensors each graph takes and gives, by the manifest. */
function checkGraphs(manifest: Manifest, graphs: ReadonlyMap<string, OnnxGraph>): string[] {
  const { encoder, heads, region, answers, support } = manifest;
  const outputs = new Map([encoder.vector, ...encoder.maps.map(({ tensor }) => tensor)].map((t) => [t.name, t]));
  const problems: string[] = [];
  const check = (file: string, inputs: TensorSpec[], wanted: TensorSpec[]) => {
    const graph = graphs.get(file);
    if (!graph) return;
    problems.push(...compare(file, 'input', inputs, graph.inputs), ...compare(file, 'output', wanted, graph.outputs));
    const fed = new Set(inputs.map(({ name }) => name));
    for (const { name } of graph.inputs)
      if (!fed.has(name)) problems.push(`${file}: nothing in the manifest feeds its input ${name}`);
  };
  /** The encoder's outputs under the names that a head gives them. */
  const renamed = (file: string, inputs: Record<string, string>): TensorSpec[] =>
    Object.entries(inputs).flatMap(([from, to]) => {
      const tensor = outputs.get(from);
      if (tensor) return [{ ...tensor, name: to }];
      problems.push(`${file}: the encoder has no output ${from}`);
      return [];
    });

  check(encoder.file, [encoder.input], [...outputs.values(), ...looks(support).map(({ means }) => means)]);
  for (const head of heads)
    check(
      head.file,
      renamed(head.file, head.inputs),
      head.kind === 'detection' ? head.levels.flatMap(({ scores, distances }) => [scores, distances]) : [head.logits],
    );
  if (region) check(region.file, [...renamed(region.file, region.inputs), region.boxes], [region.vector]);
  if (answers) {
    const { text, router, head } = answers;
    check(text.file, [text.inputIds, text.attentionMask], [text.tokens, text.sentence]);
    check(router.file, [router.sentence], [router.logits]);
    check(head.file, [...renamed(head.file, head.inputs), head.tokens, head.attentionMask], [head.logits]);
  }
  return problems;
}

function compare(file: string, side: string, wanted: TensorSpec[], actual: GraphTensor[]): string[] {
  return wanted.flatMap((spec) => {
    const tensor = actual.find(({ name }) => name === spec.name);
    if (!tensor) return [`${file}: has no ${side} ${spec.name}`];
    if (tensor.dtype !== spec.dtype)
      return [`${file}: ${spec.name} is ${tensor.dtype}, the manifest says ${spec.dtype}`];
    if (agrees(spec.shape, tensor.shape)) return [];
    return [`${file}: ${spec.name} is ${show(tensor.shape)}, the manifest says ${show(spec.shape)}`];
  });
}

/** A fixed size of the graph must be the manifest's, but a graph may take a batch of one; a size that it leaves open the manifest may fix. */
function agrees(spec: TensorSpec['shape'], actual: GraphTensor['shape']): boolean {
  if (actual === null) return true;
  return (
    actual.length === spec.length &&
    actual.every((size, i) => typeof size !== 'number' || size === spec[i] || (i === 0 && size === 1))
  );
}

function show(shape: readonly (number | string | null)[] | null): string {
  return `[${(shape ?? ['unknown']).map((size) => size ?? '?').join(', ')}]`;
}

function checkLabels({ heads }: Manifest): string[] {
  const problems: string[] = [];
  const names = new Set<string>();
  for (const head of heads) {
    if (names.has(head.name)) problems.push(`two heads are called ${head.name}`);
    names.add(head.name);
    const tensors = head.kind === 'detection' ? head.levels.map(({ scores }) => scores) : [head.logits];
    for (const tensor of tensors)
      if (tensor.shape[1] !== head.labels.length)
        problems.push(`head ${head.name}: ${tensor.name} is ${show(tensor.shape)} for ${head.labels.length} labels`);
    if (head.kind !== 'classification') continue;
    problems.push(...checkPrior(`head ${head.name}`, head.labels, head.prior));
    for (const { label } of head.thresholds)
      if (!head.labels.includes(label))
        problems.push(`head ${head.name}: a threshold is for the unknown label ${label}`);
  }
  return problems;
}

function checkPrior(where: string, labels: string[], prior: Record<string, number>): string[] {
  const same = Object.keys(prior).sort().join('\n') === [...labels].sort().join('\n');
  return same ? [] : [`${where}: its prior does not name exactly its labels`];
}

function checkTopics({ answers }: Manifest): string[] {
  if (!answers) return [];
  const problems: string[] = [];
  const size = answers.head.logits.shape.at(-1);
  if (answers.router.logits.shape.at(-1) !== answers.topics.length + 1)
    problems.push(
      `answers: the router gives ${show(answers.router.logits.shape)} for ${answers.topics.length} topics and one`,
    );
  for (const topic of answers.topics) {
    const where = `topic ${topic.name}`;
    for (const label of Object.values(topic.vote?.values ?? {}))
      if (!topic.labels.includes(label)) problems.push(`${where}: a vote is for the unknown label ${label}`);
    if (!topic.trained || topic.from === 'header') continue;
    problems.push(...checkPrior(where, topic.labels, topic.prior));
    if (topic.offset === null || topic.domain === null)
      problems.push(`${where}: trained, but without offset or domain`);
    else if (typeof size === 'number' && topic.offset + topic.labels.length > size)
      problems.push(`${where}: its answers end beyond the ${size} of the head`);
  }
  return problems;
}

function checkVectorFiles({ files, encoder, region, support, reference }: Manifest): string[] {
  const { appearance, inverted } = support ?? {};
  const expected = [
    ...(support ? [{ file: support.file, count: support.count, dimension: encoder.dimension }] : []),
    ...(appearance
      ? [{ file: appearance.file, count: 2 + appearance.components, dimension: featuresOf(appearance) }]
      : []),
    ...(inverted ? [{ file: inverted.file, count: 1, dimension: featuresOf(inverted) + 1 }] : []),
    ...(reference ? [{ file: reference.vectors, count: reference.count, dimension: encoder.dimension }] : []),
    ...(reference?.regions && region
      ? [{ file: reference.regions.vectors, count: reference.regions.count, dimension: region.dimension }]
      : []),
  ];
  const problems = expected
    .filter(({ file, count, dimension }) => files[file]?.bytes !== count * dimension * 4)
    .map(({ file, count, dimension }) => `${file}: is not ${count} vectors of ${dimension} numbers`);
  if (reference?.regions && !region) problems.push('reference: it has regions, but the bundle has no region head');
  for (const quantiles of [support?.quantiles, appearance?.quantiles])
    if (quantiles?.some((value, i, all) => i > 0 && value < (all[i - 1] ?? value)))
      problems.push('support: its quantiles do not ascend');
  return problems;
}

function featuresOf({ means }: { means: TensorSpec }): number {
  return Number(means.shape[1] ?? 0);
}
