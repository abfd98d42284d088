// Made by `npm run generate` from functions/openapi.json.
export interface paths {
    "/dicomweb/instances": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * QIDO-RS: query instances.
         * @description Scope: `read`.
         */
        get: operations["queryInstances"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dicomweb/series": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * QIDO-RS: query series.
         * @description Scope: `read`.
         */
        get: operations["querySeries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dicomweb/studies": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * QIDO-RS: query studies.
         * @description Scope: `read`.
         */
        get: operations["queryStudies"];
        put?: never;
        /**
         * STOW-RS: store instances.
         * @description Scope: `write`.
         */
        post: operations["storeInstances"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dicomweb/studies/{study}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * WADO-RS: not served.
         * @description Scope: `read`.
         */
        get: operations["retrieveStudy"];
        put?: never;
        /**
         * STOW-RS: store instances.
         * @description Scope: `write`.
         */
        post: operations["storeInstancesOfStudy"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dicomweb/studies/{study}/instances": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * QIDO-RS: query instances.
         * @description Scope: `read`.
         */
        get: operations["queryInstancesOfStudy"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dicomweb/studies/{study}/metadata": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * WADO-RS: not served.
         * @description Scope: `read`.
         */
        get: operations["retrieveStudyMetadata"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dicomweb/studies/{study}/series": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * QIDO-RS: query series.
         * @description Scope: `read`.
         */
        get: operations["querySeriesOfStudy"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dicomweb/studies/{study}/series/{series}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * WADO-RS: not served.
         * @description Scope: `read`.
         */
        get: operations["retrieveSeries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dicomweb/studies/{study}/series/{series}/instances": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * QIDO-RS: query instances.
         * @description Scope: `read`.
         */
        get: operations["queryInstancesOfSeries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dicomweb/studies/{study}/series/{series}/instances/{instance}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * WADO-RS: not served.
         * @description Scope: `read`.
         */
        get: operations["retrieveInstance"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dicomweb/studies/{study}/series/{series}/instances/{instance}/frames/{frames}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * WADO-RS: not served.
         * @description Scope: `read`.
         */
        get: operations["retrieveFrames"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dicomweb/studies/{study}/series/{series}/instances/{instance}/metadata": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * WADO-RS: not served.
         * @description Scope: `read`.
         */
        get: operations["retrieveInstanceMetadata"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dicomweb/studies/{study}/series/{series}/instances/{instance}/rendered": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * WADO-RS: not served.
         * @description Scope: `read`.
         */
        get: operations["retrieveRendered"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/dicomweb/studies/{study}/series/{series}/metadata": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * WADO-RS: not served.
         * @description Scope: `read`.
         */
        get: operations["retrieveSeriesMetadata"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/docs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document, for people. */
        get: operations["getDocs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The process lives. */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Counters and gauges in the Prometheus text format.
         * @description Scope: `admin`.
         */
        get: operations["getMetrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document. */
        get: operations["getOpenapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Model, index and records answer. */
        get: operations["getReadiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/analyze": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Classification, detection and segmentation.
         * @description Scope: `read`.
         */
        post: operations["analyze"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/embeddings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * The vector of an image, or of a part of it.
         * @description Scope: `read`.
         */
        post: operations["embed"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/exams/{key}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The images of an exam.
         * @description Scope: `read`.
         */
        get: operations["getExam"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/facets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Values of a field and how many images carry each.
         * @description Scope: `read`.
         */
        get: operations["getFacets"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/images": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List images by id, a page at a time.
         * @description Scope: `read`.
         */
        get: operations["listImages"];
        put?: never;
        /**
         * Store an image: decoded, de-identified, embedded and indexed.
         * @description 201: searchable now. 202: stored; it becomes searchable, or `failed` with a reason, by itself. 200: it was there already.
         *
         *     Scope: `write`.
         */
        post: operations["createImage"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/images/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One image.
         * @description Scope: `read`.
         */
        get: operations["getImage"];
        put?: never;
        post?: never;
        /**
         * Remove an image, its vectors and previews.
         * @description Scope: `write`.
         */
        delete: operations["deleteImage"];
        options?: never;
        head?: never;
        /**
         * Change labels; what is not named stays.
         * @description Scope: `write`.
         */
        patch: operations["updateImage"];
        trace?: never;
    };
    "/v1/images/{id}/explanation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Where in two images their similarity comes from.
         * @description Scope: `read`.
         */
        get: operations["explainNeighbour"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/images/{id}/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * An 8-bit PNG of the breast, chest wall on the left.
         * @description Scope: `read`.
         */
        get: operations["getPreview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/images/{id}/release": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Let a quarantined image into the index, after somebody has looked at it.
         * @description Scope: `admin`.
         */
        post: operations["releaseImage"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/imports": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Store every image of a configured root, or of a prepared set.
         * @description Scope: `write`.
         */
        post: operations["createImport"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/index": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Figures of the index, and the embedding spaces that are kept.
         * @description For administrators of the tenant `default`.
         *
         *     Scope: `admin`.
         */
        get: operations["getIndex"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/index/active": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Make a kept space the active one: the way back after a migration.
         * @description For administrators of the tenant `default`. Processes that start from now on serve it.
         *
         *     Scope: `admin`.
         */
        post: operations["activateSpace"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/index/migrations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Move the index to the embedding space of another bundle; search stays up.
         * @description For administrators of the tenant `default`. Asked again after a stop, it goes on where it stood.
         *
         *     Scope: `admin`.
         */
        post: operations["migrateIndex"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/index/rebuilds": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Make the index again from stored bytes and records; search stays up.
         * @description For administrators of the tenant `default`.
         *
         *     Scope: `admin`.
         */
        post: operations["rebuildIndex"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/index/recall": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * How much of the exact answer the running index finds on this tenant’s cases, per selectivity of the filter.
         * @description Scope: `admin`.
         */
        get: operations["getRecall"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/index/spaces/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Give up a space that is neither active nor served, with its vectors.
         * @description For administrators of the tenant `default`.
         *
         *     Scope: `admin`.
         */
        delete: operations["dropSpace"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * How far a job is.
         * @description Scope: `read`.
         */
        get: operations["getJob"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * End a job; what it has done stays.
         * @description Scope: `write`.
         */
        post: operations["cancelJob"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The API keys of this tenant, without their secrets.
         * @description Scope: `admin`.
         */
        get: operations["listKeys"];
        put?: never;
        /**
         * Make an API key of this tenant. Its secret is shown this once.
         * @description Scope: `admin`.
         */
        post: operations["createKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Revoke an API key; it stops working within five seconds everywhere.
         * @description Scope: `admin`.
         */
        delete: operations["deleteKey"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/limits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * How much is taken at once.
         * @description Scope: `read`.
         */
        get: operations["getLimits"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whose key this is, and what it may do.
         * @description Scope: `read`.
         */
        get: operations["getMe"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The bundles that answer.
         * @description Scope: `read`.
         */
        get: operations["listModels"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/patients/{key}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Remove every image of a patient.
         * @description Scope: `write`.
         */
        delete: operations["deletePatient"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Similar cases, by file, image, exam, region or vector.
         * @description Scope: `read`.
         */
        post: operations["search"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tenants": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Tenants: all of them for administrators of `default`, else the key’s own.
         * @description Scope: `admin`.
         */
        get: operations["listTenants"];
        put?: never;
        /**
         * Make a tenant and its first key.
         * @description For administrators of the tenant `default`.
         *
         *     Scope: `admin`.
         */
        post: operations["createTenant"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/tenants/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Remove a tenant that has no images left, and its keys.
         * @description Scope: `admin`.
         */
        delete: operations["deleteTenant"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/training-runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Train a bundle on configured data sets.
         * @description Scope: `admin`.
         */
        post: operations["createTrainingRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/uploads": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * A signed URL to PUT one file to.
         * @description Declare size and SHA-256; PUT the bytes with the headers given, within 15 minutes; then name the id wherever a file is taken, once.
         *
         *     Scope: `read`.
         */
        post: operations["createUpload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/uploads/content": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** The bytes of an upload, to the signed URL that POST /v1/uploads gave. */
        put: operations["putUploadContent"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/vqa": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Ask a question about an image.
         * @description Scope: `read`.
         */
        post: operations["ask"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        ActiveSpace: {
            space: string;
        };
        Analysis: {
            bundle: string;
            classification: components["schemas"]["Classification"][];
            detections: components["schemas"]["Detection"][];
            notice: string;
            segmentations: components["schemas"]["Segmentation"][];
            space: string;
            support: components["schemas"]["Support"];
            warnings: string[];
        };
        AnalyzeRequest: {
            /**
             * Format: uuid
             * @description Id of a stored image.
             */
            image?: string;
            /** @description False leaves the masks out. */
            masks?: boolean;
            /** @description Per head, the share of each label to assume. */
            prior?: {
                [key: string]: {
                    [key: string]: number;
                };
            };
            /**
             * Format: uuid
             * @description Id of a finished upload, instead of `file`.
             */
            upload?: string;
        } & (unknown | unknown);
        Answer: {
            abstained: boolean;
            answer: string | null;
            /** @enum {string} */
            basis: "head" | "head_and_neighbours" | "header" | "none";
            bundle: string;
            distribution: {
                label: string;
                probability: number;
            }[];
            domain: {
                exploratory: boolean;
                note: string | null;
                sources: string[];
            } | null;
            evidence: {
                changeIfLeftOut: number;
                citation: string | null;
                /** @enum {string} */
                collection: "own" | "reference" | "demo";
                id: string;
                says: string;
                similarity: number;
                weight: number;
            }[];
            notice: string;
            parts: {
                head: {
                    label: string;
                    probability: number;
                }[];
                neighbours: {
                    label: string;
                    probability: number;
                }[] | null;
                neighboursWeight: number;
            } | null;
            prior: {
                [key: string]: number;
            } | null;
            probability: number | null;
            question: string;
            /** @enum {string|null} */
            reason: "not_answerable_from_an_image" | "topic_not_trained" | "outside_domain" | "below_threshold" | "out_of_support" | "question_not_understood" | "header_unknown" | null;
            space: string;
            support: {
                distance: number | null;
                inside: boolean;
                quantile: number;
                similarity: number;
                warning: string | null;
            } | null;
            text: string;
            topic: string | null;
        };
        ApiKey: {
            createdAt: string;
            expiresAt: string | null;
            id: string;
            name: string;
            scopes: ("read" | "write" | "admin")[];
        };
        ApiKeys: {
            keys: components["schemas"]["ApiKey"][];
        };
        AskRequest: {
            filter?: components["schemas"]["Filter"] & unknown;
            /**
             * Format: uuid
             * @description Id of a stored image.
             */
            image?: string;
            /** @description The answer is one of them. */
            options?: string[];
            /** @description Share of each label to assume. */
            prior?: {
                [key: string]: number;
            };
            question: string;
            /**
             * Format: uuid
             * @description Id of a finished upload, instead of `file`.
             */
            upload?: string;
        } & (unknown | unknown);
        /** @description [x0, y0, x1, y1] in pixels of the source image, x1 and y1 exclusive. */
        Box: number[];
        Classification: {
            decisions: {
                label: string;
                operatingPoint: string;
                positive: boolean;
                threshold: number;
            }[];
            domain: components["schemas"]["ResultDomain"];
            head: string;
            multilabel: boolean;
            prior: {
                [key: string]: number;
            };
            probabilities: {
                label: string;
                probability: number;
            }[];
            question: string;
        };
        Detection: {
            box: components["schemas"]["Box"];
            domain: components["schemas"]["ResultDomain"];
            head: string;
            label: string;
            position: {
                /** @enum {string|null} */
                depth: "anterior" | "middle" | "posterior" | null;
                /** @enum {string|null} */
                sector: "inner" | "outer" | "upper" | "lower" | "central" | null;
            };
            score: number;
            sizeMm: [
                number,
                number
            ] | null;
        };
        /** @description DICOM JSON model, PS3.18 F. */
        DicomDataSet: {
            [key: string]: unknown;
        };
        Embedding: {
            bundle: string;
            dimension: number;
            notice: string;
            space: string;
            support: components["schemas"]["Support"];
            vector: number[];
        };
        EmbedRequest: {
            box?: components["schemas"]["Box"];
            /**
             * Format: uuid
             * @description Id of a stored image.
             */
            image?: string;
            /**
             * Format: uuid
             * @description Id of a finished upload, instead of `file`.
             */
            upload?: string;
        } & (unknown | unknown);
        Exam: {
            id: string;
            images: components["schemas"]["Image"][];
        };
        Explanation: {
            neighbour: components["schemas"]["HeatMap"];
            query: components["schemas"]["HeatMap"];
            similarity: number;
        };
        Facets: {
            field: components["schemas"]["FieldName"];
            values: {
                count: number;
                value: string | number | boolean;
            }[];
        };
        /** @enum {string} */
        FieldName: "id" | "patient" | "exam" | "image" | "dataset" | "sourceImageId" | "split" | "licence" | "releasable" | "sha256" | "laterality" | "view" | "modality" | "timePoint" | "birads" | "density" | "miasDensity" | "pathology" | "cancer" | "outcomeBasis" | "findings" | "findingsComplete" | "massShapes" | "massMargins" | "subtlety" | "masking" | "subtype" | "age" | "vendor" | "site" | "machine";
        /**
         * @description A condition, at most 8 levels deep. `in` takes values of the field; ranges are for fields of numbers.
         * @example {
         *       "and": [
         *         {
         *           "field": "density",
         *           "in": [
         *             "C",
         *             "D"
         *           ]
         *         },
         *         {
         *           "field": "age",
         *           "gte": 50,
         *           "lt": 70
         *         }
         *       ]
         *     }
         */
        Filter: {
            and: components["schemas"]["Filter"][];
        } | {
            or: components["schemas"]["Filter"][];
        } | {
            not: components["schemas"]["Filter"];
        } | {
            field: components["schemas"]["FieldName"];
            in: (string | number | boolean)[];
        } | {
            field: components["schemas"]["FieldName"];
            known: boolean;
        } | {
            field: components["schemas"]["FieldName"];
            gt?: number;
            gte?: number;
            lt?: number;
            lte?: number;
        };
        HeatMap: {
            columns: number;
            heat: number[];
            rows: number;
            toSource: number[];
        };
        Hit: {
            citation: string | null;
            /** @enum {string} */
            collection: "own" | "reference" | "demo";
            dataset: string | null;
            exam: string | null;
            id: string;
            image: string;
            labels: components["schemas"]["Labels"];
            lesions: components["schemas"]["Lesion"][];
            patient: string | null;
            score: number;
            sourceImageId: string | null;
        };
        Image: {
            bytes: number;
            /** @enum {string} */
            collection: "own" | "demo";
            columns: number;
            createdAt: string;
            dataset: string | null;
            etag: string;
            exam: string | null;
            format: string;
            frame: number;
            frames: number;
            /** Format: uuid */
            id: string;
            labels: components["schemas"]["Labels"];
            lesions: components["schemas"]["Lesion"][];
            licence: string | null;
            mirrored: boolean;
            patient: string | null;
            reason: {
                code: string;
                message: string;
            } | null;
            regions: {
                box: components["schemas"]["Box"];
                /** @enum {string} */
                from: "caller" | "detected";
                /** Format: uuid */
                id: string;
                label: string | null;
            }[];
            rows: number;
            sha256: string;
            sourceImageId: string | null;
            space: string | null;
            /** @description Millimetres per pixel [row, column]. */
            spacing: number[] | null;
            /** @enum {string} */
            state: "received" | "quarantined" | "indexed" | "failed";
            updatedAt: string;
            warnings: string[];
        };
        ImagePage: {
            images: components["schemas"]["Image"][];
            next: string | null;
        };
        ImagePatch: {
            labels: components["schemas"]["LabelsPatch"];
        };
        IndexStatus: {
            /** @description What processes that start from now on work with. */
            active: string;
            indexes: {
                dimension: number;
                diskBytes: number | null;
                /** @enum {string} */
                implementation: "embedded" | "qdrant";
                /** @enum {string} */
                kind: "image" | "region";
                memoryBytes: number | null;
                points: number;
                space: string;
            }[];
            /** @description Embedding space that this process searches in. */
            served: string;
            spaces: {
                /** @description Where its bundle lies; null: the bundled one. */
                bundle: string | null;
                dimension: number;
                regionDimension: number | null;
                space: string;
            }[];
        };
        Job: {
            createdAt: string;
            endedAt: string | null;
            failures: {
                code: string;
                item: number;
                message: string;
            }[];
            /** Format: uuid */
            id: string;
            /** @enum {string} */
            kind: "import" | "training" | "index";
            name: string;
            progress: {
                done: number;
                failed: number;
                total: number;
            };
            /** @description Why it failed, or what it came to. */
            reason: string | null;
            /** @enum {string} */
            state: "queued" | "running" | "succeeded" | "failed" | "cancelled";
        };
        Labels: {
            /** @default null */
            age: number | null;
            /** @default null */
            birads: number | null;
            /** @default null */
            cancer: boolean | null;
            /**
             * @default null
             * @enum {string|null}
             */
            density: "A" | "B" | "C" | "D" | null;
            /** @default [] */
            findings: ("mass" | "calcification" | "architectural_distortion" | "asymmetry" | "skin_thickening" | "skin_retraction" | "nipple_retraction" | "suspicious_lymph_node" | "miscellaneous")[];
            /** @default false */
            findingsComplete: boolean;
            /**
             * @default null
             * @enum {string|null}
             */
            laterality: "L" | "R" | null;
            /** @default null */
            machine: string | null;
            /** @default null */
            masking: number | null;
            /** @default [] */
            massMargins: ("circumscribed" | "obscured" | "ill_defined" | "microlobulated" | "spiculated")[];
            /** @default [] */
            massShapes: ("round" | "oval" | "lobulated" | "irregular" | "architectural_distortion" | "asymmetric_breast_tissue" | "focal_asymmetric_density" | "lymph_node")[];
            /**
             * @default null
             * @enum {string|null}
             */
            miasDensity: "F" | "G" | "D" | null;
            /**
             * @default null
             * @enum {string|null}
             */
            modality: "film" | "ffdm" | "dbt_slice" | "synthetic_2d" | "cesm_le" | "phantom" | null;
            /**
             * @default null
             * @enum {string|null}
             */
            outcomeBasis: "biopsy" | "followup" | "reader" | "none" | null;
            /**
             * @default null
             * @enum {string|null}
             */
            pathology: "normal" | "benign" | "malignant" | null;
            /** @default null */
            site: string | null;
            /** @default null */
            subtlety: number | null;
            /**
             * @default null
             * @enum {string|null}
             */
            subtype: "luminal_a" | "luminal_b" | "her2_enriched" | "triple_negative" | null;
            /**
             * @default null
             * @enum {string|null}
             */
            timePoint: "current" | "prior" | null;
            /** @default null */
            vendor: string | null;
            /**
             * @default null
             * @enum {string|null}
             */
            view: "CC" | "MLO" | "ML" | "LM" | "LMO" | "XCCL" | "XCCM" | "AT" | "other" | null;
        };
        LabelsPatch: {
            age?: number | null;
            birads?: number | null;
            cancer?: boolean | null;
            /** @enum {string|null} */
            density?: "A" | "B" | "C" | "D" | null;
            findings?: ("mass" | "calcification" | "architectural_distortion" | "asymmetry" | "skin_thickening" | "skin_retraction" | "nipple_retraction" | "suspicious_lymph_node" | "miscellaneous")[];
            findingsComplete?: boolean;
            /** @enum {string|null} */
            laterality?: "L" | "R" | null;
            machine?: string | null;
            masking?: number | null;
            massMargins?: ("circumscribed" | "obscured" | "ill_defined" | "microlobulated" | "spiculated")[];
            massShapes?: ("round" | "oval" | "lobulated" | "irregular" | "architectural_distortion" | "asymmetric_breast_tissue" | "focal_asymmetric_density" | "lymph_node")[];
            /** @enum {string|null} */
            miasDensity?: "F" | "G" | "D" | null;
            /** @enum {string|null} */
            modality?: "film" | "ffdm" | "dbt_slice" | "synthetic_2d" | "cesm_le" | "phantom" | null;
            /** @enum {string|null} */
            outcomeBasis?: "biopsy" | "followup" | "reader" | "none" | null;
            /** @enum {string|null} */
            pathology?: "normal" | "benign" | "malignant" | null;
            site?: string | null;
            subtlety?: number | null;
            /** @enum {string|null} */
            subtype?: "luminal_a" | "luminal_b" | "her2_enriched" | "triple_negative" | null;
            /** @enum {string|null} */
            timePoint?: "current" | "prior" | null;
            vendor?: string | null;
            /** @enum {string|null} */
            view?: "CC" | "MLO" | "ML" | "LM" | "LMO" | "XCCL" | "XCCM" | "AT" | "other" | null;
        };
        Lesion: {
            /** @default null */
            birads: number | null;
            box: components["schemas"]["Box"];
            /**
             * @default null
             * @enum {string|null}
             */
            finding: "mass" | "calcification" | "architectural_distortion" | "asymmetry" | "skin_thickening" | "skin_retraction" | "nipple_retraction" | "suspicious_lymph_node" | "miscellaneous" | null;
            /** @default null */
            mask: string | null;
            /** @default [] */
            massMargins: ("circumscribed" | "obscured" | "ill_defined" | "microlobulated" | "spiculated")[];
            /** @default [] */
            massShapes: ("round" | "oval" | "lobulated" | "irregular" | "architectural_distortion" | "asymmetric_breast_tissue" | "focal_asymmetric_density" | "lymph_node")[];
            /**
             * @default null
             * @enum {string|null}
             */
            pathology: "normal" | "benign" | "malignant" | null;
            /** @default null */
            subtlety: number | null;
        };
        LesionInput: {
            birads?: number | null;
            box: components["schemas"]["Box"];
            /** @enum {string|null} */
            finding?: "mass" | "calcification" | "architectural_distortion" | "asymmetry" | "skin_thickening" | "skin_retraction" | "nipple_retraction" | "suspicious_lymph_node" | "miscellaneous" | null;
            massMargins?: ("circumscribed" | "obscured" | "ill_defined" | "microlobulated" | "spiculated")[];
            massShapes?: ("round" | "oval" | "lobulated" | "irregular" | "architectural_distortion" | "asymmetric_breast_tissue" | "focal_asymmetric_density" | "lymph_node")[];
            /** @enum {string|null} */
            pathology?: "normal" | "benign" | "malignant" | null;
            subtlety?: number | null;
        };
        Limits: {
            fileBytes: number;
            importRoots: string[];
            maximumResults: number;
            /** @description Largest file inside a request; larger ones go through POST /v1/uploads. */
            requestBytes: number;
            requestSeconds: number;
            requestsPerSecond: number;
        };
        MadeKey: components["schemas"]["ApiKey"] & {
            /** @description Shown this once. */
            secret: string;
        };
        MadeTenant: {
            key: components["schemas"]["MadeKey"];
            tenant: components["schemas"]["Tenant"];
        };
        Mask: {
            counts: number[];
            size: [
                number,
                number
            ];
        } | null;
        Me: {
            keyId: string | null;
            scopes: ("read" | "write" | "admin")[];
            tenant: string;
        };
        Models: {
            bundles: {
                description: string;
                dimension: number;
                heads: {
                    kind: string;
                    labels: string[];
                    name: string;
                    question: string;
                }[];
                intendedUse: string;
                licence: string;
                name: string;
                /** @enum {string} */
                provider: "cpu" | "cuda";
                reference: {
                    citations: {
                        citation: string;
                        dataset: string;
                        licence: string;
                    }[];
                    count: number;
                } | null;
                regionSpace: string | null;
                space: string;
                topics: {
                    /** @enum {string} */
                    from: "image" | "header";
                    labels: string[];
                    name: string;
                    title: string;
                    trained: boolean;
                }[];
                version: string;
            }[];
            notice: string;
        };
        NewImage: {
            /** @enum {string} */
            collection?: "own" | "demo";
            dataset?: string;
            /** @description Any identifier: only a keyed hash of it is kept. */
            exam?: string;
            /** @description A pseudonymous key, kept as it is. */
            examKey?: string;
            frame?: number;
            labels?: components["schemas"]["LabelsPatch"];
            lesions?: components["schemas"]["LesionInput"][];
            licence?: string;
            /** @description Any identifier: only a keyed hash of it is kept. */
            patient?: string;
            /** @description A pseudonymous key, kept as it is. */
            patientKey?: string;
            /** @description Put these bytes in the place of others of the same image. */
            replace?: boolean;
            sourceImageId?: string;
            /** @description Millimetres per pixel [row, column]. */
            spacing?: number[];
            /**
             * Format: uuid
             * @description Id of a finished upload, instead of `file`.
             */
            upload?: string;
        } & unknown;
        NewImport: {
            /** @enum {string} */
            collection?: "own" | "demo";
            /** @description Only so many files. */
            limit?: number;
            /** @description A name from `importRoots` of GET /v1/limits. */
            root: string;
        };
        NewKey: {
            /** Format: date-time */
            expiresAt?: string | null;
            name: string;
            scopes: ("read" | "write" | "admin")[];
        };
        NewMigration: {
            /** @description Folder, on the server, beside the bundle that it serves; or s3://bucket/prefix. */
            bundle: string;
        };
        NewRebuild: {
            /** @description Only what the index lacks. Default false: everything. */
            missing?: boolean;
        };
        NewTenant: {
            name: string;
        };
        NewTrainingRun: {
            /** @description Name of a training config, e.g. lite. */
            config: string;
            /** @description Names of prepared sets among the import roots. */
            datasets?: string[];
            name: string;
        };
        NewUpload: {
            bytes: number;
            sha256: string;
        };
        Problem: {
            detail: string;
            errors?: {
                message: string;
                path: string;
            }[];
            instance?: string;
            requestId?: string;
            status: number;
            title: string;
            type: string;
        };
        Readiness: {
            parts: {
                [key: string]: boolean;
            };
            /** @enum {string} */
            status: "ready" | "starting";
        };
        Recall: {
            rows: {
                filter: components["schemas"]["Filter"] | null;
                queries: number;
                recall: number;
                /** @description Share of the cases that the filter was meant to leave. */
                selectivity: number;
                /** @description Share that it leaves. */
                share: number;
            }[];
        };
        Removed: {
            removed: number;
        };
        ResultDomain: {
            exploratory: boolean;
            note: string | null;
            sources: string[];
        };
        SearchAnswer: {
            bundle: string;
            groups: {
                ids: string[];
                key: string;
            }[] | null;
            index: {
                exact: boolean;
                /** @enum {string} */
                implementation: "embedded" | "qdrant";
                /** @enum {string} */
                kind: "image" | "region";
            };
            notice: string;
            /** @enum {string} */
            patientExclusion: "applied" | "unknown" | "off";
            results: components["schemas"]["Hit"][];
            space: string;
            support: components["schemas"]["Support"];
        };
        SearchRequest: {
            box?: components["schemas"]["Box"] & unknown;
            /** @description Default own and reference; `demo` only when named. */
            collections?: ("own" | "reference" | "demo")[];
            exam?: string;
            filter?: components["schemas"]["Filter"];
            /** @enum {string} */
            groupBy?: "image" | "exam" | "patient";
            /**
             * Format: uuid
             * @description Id of a stored image.
             */
            image?: string;
            /** @description Default false: nothing of the query’s own patient, exam, image or source file, as far as they are known (`patientExclusion` says whether the patient was). Of a file without an identity, another rendering of the same image (resized, compressed again, another format) has other bytes and can be found, with a similarity near 1. */
            includeOwnPatient?: boolean;
            /** @description Default 10. */
            k?: number;
            offset?: number;
            /** @description The space that `vector` is from; refused if it is not the index’s. */
            space?: string;
            /**
             * Format: uuid
             * @description Id of a finished upload, instead of `file`.
             */
            upload?: string;
            vector?: number[];
        } & (unknown | unknown | unknown | unknown);
        Segmentation: {
            areaMm2: number | null;
            areaPixels: number;
            box: components["schemas"]["Box"] & (unknown[] | null);
            domain: components["schemas"]["ResultDomain"];
            head: string;
            label: string;
            mask: components["schemas"]["Mask"];
        };
        Support: {
            distance: number | null;
            inside: boolean;
            quantile: number;
            similarity: number;
            warning: string | null;
        } | null;
        Tenant: {
            createdAt: string;
            id: string;
            name: string;
        };
        Tenants: {
            tenants: components["schemas"]["Tenant"][];
        };
        UploadTicket: {
            expiresAt: string;
            /** @description To be sent with the PUT, unchanged. */
            headers: {
                [key: string]: string;
            };
            /** Format: uuid */
            id: string;
            /** @enum {string} */
            method: "PUT";
            url: string;
        };
    };
    responses: {
        /** @description The request cannot be read. */
        Problem400: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The API key is missing or not valid. */
        Problem401: {
            headers: {
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The key's scopes do not allow this. */
        Problem403: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description There is no such thing in this tenant. */
        Problem404: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Not a media type that is sent. */
        Problem406: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description It stands against the present state. */
        Problem409: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description It was changed meanwhile. */
        Problem412: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Too large: send the file through POST /v1/uploads. */
        Problem413: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Not a media type or file format that is taken. */
        Problem415: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Understood, but it makes no sense. */
        Problem422: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description If-Match is missing. */
        Problem428: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Too many requests: come back after Retry-After seconds. */
        Problem429: {
            headers: {
                "Retry-After": components["headers"]["Retry-After"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Not served here. */
        Problem501: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Overloaded or a part is away: come back after Retry-After seconds. */
        Problem503: {
            headers: {
                "Retry-After": components["headers"]["Retry-After"];
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: {
        /** @description Of the record, for If-Match. */
        ETag: string;
        /** @description Seconds. */
        "Retry-After": string;
        /** @description `Bearer`. */
        "WWW-Authenticate": string;
        /** @description Of this request: quote it when asking for help. */
        "X-Request-Id": string;
    };
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    queryInstances: {
        parameters: {
            query?: {
                AccessionNumber?: string;
                BodyPartExamined?: string;
                Columns?: string;
                fuzzymatching?: string;
                ImageLaterality?: string;
                includefield?: string;
                InstanceAvailability?: string;
                InstanceNumber?: string;
                limit?: string;
                ModalitiesInStudy?: string;
                Modality?: string;
                NumberOfFrames?: string;
                offset?: string;
                PatientAge?: string;
                PatientBirthDate?: string;
                PatientID?: string;
                PatientName?: string;
                PatientSex?: string;
                ReferringPhysicianName?: string;
                RetrieveURL?: string;
                Rows?: string;
                SeriesDescription?: string;
                SeriesInstanceUID?: string;
                SeriesNumber?: string;
                SOPClassUID?: string;
                SOPInstanceUID?: string;
                StudyDate?: string;
                StudyDescription?: string;
                StudyID?: string;
                StudyInstanceUID?: string;
                StudyTime?: string;
                ViewPosition?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One data set each. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/dicom+json": components["schemas"]["DicomDataSet"][];
                };
            };
            /** @description There is none. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    querySeries: {
        parameters: {
            query?: {
                AccessionNumber?: string;
                BodyPartExamined?: string;
                Columns?: string;
                fuzzymatching?: string;
                ImageLaterality?: string;
                includefield?: string;
                InstanceAvailability?: string;
                InstanceNumber?: string;
                limit?: string;
                ModalitiesInStudy?: string;
                Modality?: string;
                NumberOfFrames?: string;
                offset?: string;
                PatientAge?: string;
                PatientBirthDate?: string;
                PatientID?: string;
                PatientName?: string;
                PatientSex?: string;
                ReferringPhysicianName?: string;
                RetrieveURL?: string;
                Rows?: string;
                SeriesDescription?: string;
                SeriesInstanceUID?: string;
                SeriesNumber?: string;
                SOPClassUID?: string;
                SOPInstanceUID?: string;
                StudyDate?: string;
                StudyDescription?: string;
                StudyID?: string;
                StudyInstanceUID?: string;
                StudyTime?: string;
                ViewPosition?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One data set each. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/dicom+json": components["schemas"]["DicomDataSet"][];
                };
            };
            /** @description There is none. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    queryStudies: {
        parameters: {
            query?: {
                AccessionNumber?: string;
                BodyPartExamined?: string;
                Columns?: string;
                fuzzymatching?: string;
                ImageLaterality?: string;
                includefield?: string;
                InstanceAvailability?: string;
                InstanceNumber?: string;
                limit?: string;
                ModalitiesInStudy?: string;
                Modality?: string;
                NumberOfFrames?: string;
                offset?: string;
                PatientAge?: string;
                PatientBirthDate?: string;
                PatientID?: string;
                PatientName?: string;
                PatientSex?: string;
                ReferringPhysicianName?: string;
                RetrieveURL?: string;
                Rows?: string;
                SeriesDescription?: string;
                SeriesInstanceUID?: string;
                SeriesNumber?: string;
                SOPClassUID?: string;
                SOPInstanceUID?: string;
                StudyDate?: string;
                StudyDescription?: string;
                StudyID?: string;
                StudyInstanceUID?: string;
                StudyTime?: string;
                ViewPosition?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One data set each. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/dicom+json": components["schemas"]["DicomDataSet"][];
                };
            };
            /** @description There is none. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    storeInstances: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description One part of application/dicom for each instance, or one instance alone. */
        requestBody: {
            content: {
                "application/dicom": string;
                "multipart/related": string;
            };
        };
        responses: {
            /** @description All are stored. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/dicom+json": components["schemas"]["DicomDataSet"];
                };
            };
            /** @description Some are stored. */
            202: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/dicom+json": components["schemas"]["DicomDataSet"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            /** @description None is stored; FailureReason says why. */
            409: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/dicom+json": components["schemas"]["DicomDataSet"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    retrieveStudy: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                study: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    storeInstancesOfStudy: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                study: string;
            };
            cookie?: never;
        };
        /** @description One part of application/dicom for each instance, or one instance alone. */
        requestBody: {
            content: {
                "application/dicom": string;
                "multipart/related": string;
            };
        };
        responses: {
            /** @description All are stored. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/dicom+json": components["schemas"]["DicomDataSet"];
                };
            };
            /** @description Some are stored. */
            202: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/dicom+json": components["schemas"]["DicomDataSet"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            /** @description None is stored; FailureReason says why. */
            409: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/dicom+json": components["schemas"]["DicomDataSet"];
                };
            };
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    queryInstancesOfStudy: {
        parameters: {
            query?: {
                AccessionNumber?: string;
                BodyPartExamined?: string;
                Columns?: string;
                fuzzymatching?: string;
                ImageLaterality?: string;
                includefield?: string;
                InstanceAvailability?: string;
                InstanceNumber?: string;
                limit?: string;
                ModalitiesInStudy?: string;
                Modality?: string;
                NumberOfFrames?: string;
                offset?: string;
                PatientAge?: string;
                PatientBirthDate?: string;
                PatientID?: string;
                PatientName?: string;
                PatientSex?: string;
                ReferringPhysicianName?: string;
                RetrieveURL?: string;
                Rows?: string;
                SeriesDescription?: string;
                SeriesInstanceUID?: string;
                SeriesNumber?: string;
                SOPClassUID?: string;
                SOPInstanceUID?: string;
                StudyDate?: string;
                StudyDescription?: string;
                StudyID?: string;
                StudyInstanceUID?: string;
                StudyTime?: string;
                ViewPosition?: string;
            };
            header?: never;
            path: {
                study: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One data set each. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/dicom+json": components["schemas"]["DicomDataSet"][];
                };
            };
            /** @description There is none. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    retrieveStudyMetadata: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                study: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    querySeriesOfStudy: {
        parameters: {
            query?: {
                AccessionNumber?: string;
                BodyPartExamined?: string;
                Columns?: string;
                fuzzymatching?: string;
                ImageLaterality?: string;
                includefield?: string;
                InstanceAvailability?: string;
                InstanceNumber?: string;
                limit?: string;
                ModalitiesInStudy?: string;
                Modality?: string;
                NumberOfFrames?: string;
                offset?: string;
                PatientAge?: string;
                PatientBirthDate?: string;
                PatientID?: string;
                PatientName?: string;
                PatientSex?: string;
                ReferringPhysicianName?: string;
                RetrieveURL?: string;
                Rows?: string;
                SeriesDescription?: string;
                SeriesInstanceUID?: string;
                SeriesNumber?: string;
                SOPClassUID?: string;
                SOPInstanceUID?: string;
                StudyDate?: string;
                StudyDescription?: string;
                StudyID?: string;
                StudyInstanceUID?: string;
                StudyTime?: string;
                ViewPosition?: string;
            };
            header?: never;
            path: {
                study: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One data set each. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/dicom+json": components["schemas"]["DicomDataSet"][];
                };
            };
            /** @description There is none. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    retrieveSeries: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                series: string;
                study: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    queryInstancesOfSeries: {
        parameters: {
            query?: {
                AccessionNumber?: string;
                BodyPartExamined?: string;
                Columns?: string;
                fuzzymatching?: string;
                ImageLaterality?: string;
                includefield?: string;
                InstanceAvailability?: string;
                InstanceNumber?: string;
                limit?: string;
                ModalitiesInStudy?: string;
                Modality?: string;
                NumberOfFrames?: string;
                offset?: string;
                PatientAge?: string;
                PatientBirthDate?: string;
                PatientID?: string;
                PatientName?: string;
                PatientSex?: string;
                ReferringPhysicianName?: string;
                RetrieveURL?: string;
                Rows?: string;
                SeriesDescription?: string;
                SeriesInstanceUID?: string;
                SeriesNumber?: string;
                SOPClassUID?: string;
                SOPInstanceUID?: string;
                StudyDate?: string;
                StudyDescription?: string;
                StudyID?: string;
                StudyInstanceUID?: string;
                StudyTime?: string;
                ViewPosition?: string;
            };
            header?: never;
            path: {
                series: string;
                study: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One data set each. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/dicom+json": components["schemas"]["DicomDataSet"][];
                };
            };
            /** @description There is none. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    retrieveInstance: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                instance: string;
                series: string;
                study: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    retrieveFrames: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                frames: string;
                instance: string;
                series: string;
                study: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    retrieveInstanceMetadata: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                instance: string;
                series: string;
                study: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    retrieveRendered: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                instance: string;
                series: string;
                study: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    retrieveSeriesMetadata: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                series: string;
                study: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            406: components["responses"]["Problem406"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            501: components["responses"]["Problem501"];
            503: components["responses"]["Problem503"];
        };
    };
    getDocs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It does. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        status: "ok";
                    };
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    getMetrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Version 0.0.4. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    getOpenapi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenAPI 3.1. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        openapi: string;
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    getReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description They all do. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            /** @description Which parts do. */
            503: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
    analyze: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. A question changes nothing and needs none, unless it uses up an upload: the key costs two durable writes. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AnalyzeRequest"];
                "multipart/form-data": {
                    /**
                     * Format: binary
                     * @description DICOM, PNG, JPEG or PGM.
                     */
                    file?: string;
                    /** @description False leaves the masks out. */
                    masks?: boolean;
                    /** @description Per head, the share of each label to assume. */
                    prior?: {
                        [key: string]: {
                            [key: string]: number;
                        };
                    };
                };
            };
        };
        responses: {
            /** @description What every head says. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Analysis"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    embed: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. A question changes nothing and needs none, unless it uses up an upload: the key costs two durable writes. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EmbedRequest"];
                "multipart/form-data": {
                    box?: components["schemas"]["Box"];
                    /**
                     * Format: binary
                     * @description DICOM, PNG, JPEG or PGM.
                     */
                    file?: string;
                };
            };
        };
        responses: {
            /** @description A unit vector. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Embedding"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    getExam: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The exam. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Exam"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    getFacets: {
        parameters: {
            query: {
                /** @description own, reference, demo, separated by commas. Default own and reference. */
                collections?: string;
                field: components["schemas"]["FieldName"];
                /** @description A Filter as JSON. */
                filter?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Descending by count. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Facets"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    listImages: {
        parameters: {
            query?: {
                collection?: "own" | "demo";
                cursor?: string;
                /** @description A Filter as JSON. */
                filter?: string;
                limit?: number;
                state?: "received" | "quarantined" | "indexed" | "failed";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page; `next` is the cursor of the following one. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ImagePage"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    createImage: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewImage"];
                "multipart/form-data": {
                    /** @enum {string} */
                    collection?: "own" | "demo";
                    dataset?: string;
                    /** @description Any identifier: only a keyed hash of it is kept. */
                    exam?: string;
                    /** @description A pseudonymous key, kept as it is. */
                    examKey?: string;
                    /**
                     * Format: binary
                     * @description DICOM, PNG, JPEG or PGM.
                     */
                    file?: string;
                    frame?: number;
                    labels?: components["schemas"]["LabelsPatch"];
                    lesions?: components["schemas"]["LesionInput"][];
                    licence?: string;
                    /** @description Any identifier: only a keyed hash of it is kept. */
                    patient?: string;
                    /** @description A pseudonymous key, kept as it is. */
                    patientKey?: string;
                    /** @description Put these bytes in the place of others of the same image. */
                    replace?: boolean;
                    sourceImageId?: string;
                    /** @description Millimetres per pixel [row, column]. */
                    spacing?: number[];
                };
            };
        };
        responses: {
            /** @description The same bytes were there already. */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Image"];
                };
            };
            /** @description Stored and searchable. */
            201: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Image"];
                };
            };
            /** @description Stored, not searchable yet. */
            202: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Image"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    getImage: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The image. */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Image"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    deleteImage: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Removed. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    updateImage: {
        parameters: {
            query?: never;
            header: {
                /** @description The ETag that was read, or `*`. */
                "if-match": string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ImagePatch"];
            };
        };
        responses: {
            /** @description The image. */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Image"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            412: components["responses"]["Problem412"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            428: components["responses"]["Problem428"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    explainNeighbour: {
        parameters: {
            query: {
                neighbour: string;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Heat maps from 0 to 1, row by row; `toSource` maps their cells to source pixels. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Explanation"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    getPreview: {
        parameters: {
            query?: {
                /** @description Outline the regions. */
                boxes?: "true" | "false";
                longSide?: number;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The picture. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "image/png": string;
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    releaseImage: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. */
                "idempotency-key"?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The image. */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Image"];
                };
            };
            /** @description Released, not searchable yet. */
            202: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Image"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    createImport: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewImport"];
            };
        };
        responses: {
            /** @description Accepted: follow it at /v1/jobs/{id}. */
            202: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    getIndex: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The spaces. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["IndexStatus"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    activateSpace: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ActiveSpace"];
            };
        };
        responses: {
            /** @description The spaces. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["IndexStatus"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    migrateIndex: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewMigration"];
            };
        };
        responses: {
            /** @description Accepted: follow it at /v1/jobs/{id}. */
            202: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    rebuildIndex: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewRebuild"];
            };
        };
        responses: {
            /** @description Accepted: follow it at /v1/jobs/{id}. */
            202: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    getRecall: {
        parameters: {
            query?: {
                k?: number;
                queries?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Recall. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Recall"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    dropSpace: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Gone. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    getJob: {
        parameters: {
            query?: {
                /** @description Seconds to wait for its end. */
                wait?: number | null;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The job. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    cancelJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. */
                "idempotency-key"?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The job. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    listKeys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The keys. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApiKeys"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    createKey: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewKey"];
            };
        };
        responses: {
            /** @description The key. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MadeKey"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    deleteKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Revoked. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    getLimits: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The limits. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Limits"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    getMe: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Tenant and scopes. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Me"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    listModels: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The bundles. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Models"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    deletePatient: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description How many images were removed. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Removed"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    search: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. A question changes nothing and needs none, unless it uses up an upload: the key costs two durable writes. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SearchRequest"];
                "multipart/form-data": {
                    box?: components["schemas"]["Box"] & unknown;
                    /** @description Default own and reference; `demo` only when named. */
                    collections?: ("own" | "reference" | "demo")[];
                    /**
                     * Format: binary
                     * @description DICOM, PNG, JPEG or PGM.
                     */
                    file?: string;
                    filter?: components["schemas"]["Filter"];
                    /** @enum {string} */
                    groupBy?: "image" | "exam" | "patient";
                    /** @description Default false: nothing of the query’s own patient, exam, image or source file, as far as they are known (`patientExclusion` says whether the patient was). Of a file without an identity, another rendering of the same image (resized, compressed again, another format) has other bytes and can be found, with a similarity near 1. */
                    includeOwnPatient?: boolean;
                    /** @description Default 10. */
                    k?: number;
                    offset?: number;
                    /** @description The space that `vector` is from; refused if it is not the index’s. */
                    space?: string;
                };
            };
        };
        responses: {
            /** @description The most similar cases, best first. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SearchAnswer"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    listTenants: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tenants. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tenants"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    createTenant: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewTenant"];
            };
        };
        responses: {
            /** @description The tenant, and its first key. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MadeTenant"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    deleteTenant: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Removed. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    createTrainingRun: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewTrainingRun"];
            };
        };
        responses: {
            /** @description Accepted: follow it at /v1/jobs/{id}. */
            202: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    createUpload: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. A question changes nothing and needs none, unless it uses up an upload: the key costs two durable writes. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewUpload"];
            };
        };
        responses: {
            /** @description Where to send the bytes. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadTicket"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    putUploadContent: {
        parameters: {
            query: {
                bytes: string;
                expires: string;
                key: string;
                sha256: string;
                signature: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description Exactly the bytes that were declared. */
        requestBody: {
            content: {
                "application/octet-stream": string;
            };
        };
        responses: {
            /** @description Taken. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            412: components["responses"]["Problem412"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
    ask: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key with the same body gets the first answer again, for 24 hours. A question changes nothing and needs none, unless it uses up an upload: the key costs two durable writes. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AskRequest"];
                "multipart/form-data": {
                    /**
                     * Format: binary
                     * @description DICOM, PNG, JPEG or PGM.
                     */
                    file?: string;
                    filter?: components["schemas"]["Filter"] & unknown;
                    /** @description The answer is one of them. */
                    options?: string[];
                    /** @description Share of each label to assume. */
                    prior?: {
                        [key: string]: number;
                    };
                    question: string;
                };
            };
        };
        responses: {
            /** @description The answer with its evidence. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Answer"];
                };
            };
            400: components["responses"]["Problem400"];
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            404: components["responses"]["Problem404"];
            409: components["responses"]["Problem409"];
            413: components["responses"]["Problem413"];
            415: components["responses"]["Problem415"];
            422: components["responses"]["Problem422"];
            429: components["responses"]["Problem429"];
            503: components["responses"]["Problem503"];
        };
    };
}
