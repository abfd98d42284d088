// Names for what the API takes and gives, all from the generated types.
import type { FileSource } from './internal/source.ts';
import type { components, operations } from './types.gen.ts';

type Schemas = components['schemas'];

export type Image = Schemas['Image'];
export type Labels = Schemas['Labels'];
export type LabelsPatch = Schemas['LabelsPatch'];
export type Lesion = Schemas['Lesion'];
export type Box = Schemas['Box'];
export type Filter = Schemas['Filter'];
export type Hit = Schemas['Hit'];
export type SearchAnswer = Schemas['SearchAnswer'];
export type Answer = Schemas['Answer'];
export type Analysis = Schemas['Analysis'];
export type Classification = Schemas['Classification'];
export type Detection = Schemas['Detection'];
export type Segmentation = Schemas['Segmentation'];
export type Mask = Schemas['Mask'];
export type ResultDomain = Schemas['ResultDomain'];
export type Support = Schemas['Support'];
export type FieldName = Schemas['FieldName'];
export type Embedding = Schemas['Embedding'];
export type Explanation = Schemas['Explanation'];
export type Exam = Schemas['Exam'];
export type Facets = Schemas['Facets'];
export type Job = Schemas['Job'];
export type IndexStatus = Schemas['IndexStatus'];
export type RecallRow = Schemas['Recall']['rows'][number];
export type Limits = Schemas['Limits'];
export type Models = Schemas['Models'];
export type Me = Schemas['Me'];
export type ApiKey = Schemas['ApiKey'];
export type MadeKey = Schemas['MadeKey'];
export type Tenant = Schemas['Tenant'];
export type MadeTenant = Schemas['MadeTenant'];
export type NewKey = Schemas['NewKey'];
export type NewImport = Schemas['NewImport'];
export type NewTrainingRun = Schemas['NewTrainingRun'];

/** Where an image comes from: bytes to send, or what the server has. */
export type ImageSource = { file: FileSource } | { image: string } | { upload: string };

type Without<T, K extends PropertyKey> = Omit<T, K>;

/** What may be said about an image that is stored. */
export type NewImage = Without<Schemas['NewImage'], 'upload'>;

/** An image, exam or vector to compare with, and how. */
export type SearchRequest = Without<Schemas['SearchRequest'], 'image' | 'upload' | 'exam' | 'vector'> &
  (ImageSource | { exam: string } | { vector: ArrayLike<number> });
export type AskRequest = ImageSource & Without<Schemas['AskRequest'], 'image' | 'upload'>;
export type AnalyzeRequest = ImageSource & Without<Schemas['AnalyzeRequest'], 'image' | 'upload'>;
export type EmbedRequest = ImageSource & Without<Schemas['EmbedRequest'], 'image' | 'upload'>;

type QueryOf<O extends keyof operations> = NonNullable<operations[O]['parameters']['query']>;

export type ListImages = Without<QueryOf<'listImages'>, 'filter' | 'cursor'> & { filter?: Filter };
export type FacetQuery = Without<QueryOf<'getFacets'>, 'filter' | 'collections'> & {
  filter?: Filter;
  collections?: ('own' | 'reference' | 'demo')[];
};
export type PreviewQuery = { longSide?: number; boxes?: boolean };
