// searchExam: cases like a whole exam, view compared with view.
import type { Laterality, Neighbour, View } from '@versamammo/schema';
import type { CaseIndex, Scope, SearchQuery } from './case-index.ts';
import { groupIdentity, groupKey } from './grouping.ts';

/** An image of the exam that is asked about. */
export interface ExamImage {
  laterality: Laterality | null;
  view: View | null;
  by: SearchQuery['by'];
}

export interface ExamNeighbour {
  /** Exam key; of an image without one, the image id. */
  exam: string;
  collection: Neighbour['collection'];
  /** Mean over the query's images of the best similarity that a matching view of this exam reaches; a view that was not among the found ones counts with the score of the last one found for it. */
  score: number;
  /** For each image of the query, in order, the best matching one of this exam, null where none was found. */
  matches: (Neighbour | null)[];
}

/**
 * The k exams most like the given one. Every image is searched among images of its own view (and side where `sameSide`),
 * and the results are fused by exam.
 *
 * @param images of one exam, at least one. An image whose view is unknown is compared with all views.
 * @example await searchExam(index, { tenant }, [{ laterality: 'L', view: 'CC', by: { id } }], { k: 5 });
 */
export async function searchExam(
  index: CaseIndex,
  scope: Scope,
  images: ExamImage[],
  {
    k,
    sameSide = false,
    filter,
    self,
    signal,
  }: { k: number; sameSide?: boolean } & Pick<SearchQuery, 'filter' | 'self' | 'signal'>,
): Promise<ExamNeighbour[]> {
  const searches = await Promise.all(
    images.map(async ({ laterality, view, by }) => {
      const conditions: NonNullable<SearchQuery['filter']>[] = [
        ...(filter === undefined ? [] : [filter]),
        ...(view === null ? [] : [{ field: 'view' as const, in: [view] }]),
        ...(!sameSide || laterality === null ? [] : [{ field: 'laterality' as const, in: [laterality] }]),
      ];
      const { neighbours } = await index.search(scope, {
        by,
        k: Math.min(1000, Math.max(50, k * 10)),
        groupBy: 'exam',
        filter: { and: conditions },
        ...(self === undefined ? {} : { self }),
        ...(signal === undefined ? {} : { signal }),
      });
      return neighbours;
    }),
  );
  const exams = new Map<string, ExamNeighbour>();
  for (const [i, neighbours] of searches.entries())
    for (const neighbour of neighbours) {
      const exam = groupKey({ id: neighbour.id, image: neighbour.id, record: neighbour.record }, 'exam');
      const identity = groupIdentity(neighbour.collection, exam);
      const found = exams.get(identity) ?? {
        exam,
        collection: neighbour.collection,
        score: 0,
        matches: images.map(() => null),
      };
      found.matches[i] ??= neighbour;
      exams.set(identity, found);
    }
  const missing = searches.map((neighbours) => neighbours.at(-1)?.score ?? 0);
  for (const found of exams.values())
    found.score = found.matches.reduce((sum, match, i) => sum + (match?.score ?? missing[i] ?? 0), 0) / images.length;
  return [...exams.values()].sort((a, b) => b.score - a.score || (a.exam < b.exam ? -1 : 1)).slice(0, k);
}
