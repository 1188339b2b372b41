using PeftCore.Backends;
using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>The task of a model and the size of its head, as config.json and <see cref="TaskOptions"/> say together.</summary>
/// <param name="Task">The task.</param>
/// <param name="Labels">The class names; empty for tasks without classes.</param>
/// <param name="IsNewHead">Whether the weight file has another head, or none, so that this one starts with random weights.</param>
/// <param name="Problem">What a head that classifies sequences learns.</param>
/// <param name="AsEager">See <see cref="TaskOptions.AsEagerTransformers"/>.</param>
/// <param name="Pooling">See <see cref="TaskOptions.Pooling"/>.</param>
/// <param name="InterpolatesPositions">See <see cref="TaskOptions.InterpolatePositions"/>.</param>
/// <param name="Temperature">See <see cref="TaskOptions.Temperature"/>.</param>
internal sealed record TaskSpec(ModelTask Task, IReadOnlyList<string> Labels, bool IsNewHead = false,
    ClassificationProblem Problem = ClassificationProblem.SingleLabel, bool AsEager = false, string? Pooling = null,
    bool InterpolatesPositions = false, float? Temperature = null)
{
    /// <summary>A causal language model with the head of its file.</summary>
    public static TaskSpec CausalLm { get; } = new(ModelTask.CausalLm, []);

    // The ends of Hugging Face's class names; the longest that fits counts.
    private static readonly (string End, ModelTask Task)[] Ends =
    [
        ("ForCausalLM", ModelTask.CausalLm),
        ("LMHeadModel", ModelTask.CausalLm),
        ("ForConditionalGeneration", ModelTask.Seq2SeqLm),
        ("ForSequenceClassification", ModelTask.SequenceClassification),
        ("ForTokenClassification", ModelTask.TokenClassification),
        ("ForQuestionAnswering", ModelTask.QuestionAnswering),
        ("ForQuestionAnsweringSimple", ModelTask.QuestionAnswering),
        ("ForMaskedLM", ModelTask.MaskedLm),
        ("ForPreTraining", ModelTask.MaskedLm),
        ("ForImageClassification", ModelTask.ImageClassification),
        ("ForCTC", ModelTask.Ctc),
        ("UNet2DConditionModel", ModelTask.NoisePrediction),
        ("Model", ModelTask.FeatureExtraction),
        ("EncoderModel", ModelTask.FeatureExtraction),
    ];

    /// <summary>Number of classes.</summary>
    public int LabelCount => Labels.Count;

    /// <summary>What a head that classifies texts learns, by transformers' name; null for other tasks.</summary>
    public string? ProblemType => Task == ModelTask.SequenceClassification ? Problems.NameOf(Problem) : null;

    /// <summary>Reads the task of a model.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="tasks">The tasks of the family, the default first.</param>
    /// <param name="options">What the caller asks for; null for what the configuration says.</param>
    /// <exception cref="BadInputException">The family has no such task, or the configuration contradicts itself.</exception>
    public static TaskSpec Of(ConfigReader config, IReadOnlyList<ModelTask> tasks, TaskOptions? options = null)
    {
        var named = NamedIn(config, tasks);
        var task = options?.Task ?? named ?? tasks[0];
        if (options?.Pooling is not null && task != ModelTask.FeatureExtraction)
        {
            throw new BadInputException($"pooling makes embeddings of texts, but the task is {NameOf(task)}; choose feature-extraction");
        }
        if (options?.Temperature is { } temperature)
        {
            CheckTemperature(temperature, task);
        }
        if (!tasks.Contains(task))
        {
            string type = ConfigChecks.TypeOf(config);
            string supported = string.Join(", ", tasks.Select(NameOf));
            throw options?.Task is null
                ? config.Error("architectures", $"makes this a model for {NameOf(task)}, but {type} models here are for {supported}")
                : new BadInputException($"{config.Source}: {type} models cannot be loaded for {NameOf(task)}; choose {supported}");
        }
        if (options?.ProblemType is not null && task != ModelTask.SequenceClassification)
        {
            throw new BadInputException($"problem_type says what a classifier of texts learns, but the task is {NameOf(task)}; choose seq-cls");
        }
        bool isOther = (named ?? tasks[0]) != task;
        string[] labels = !HasLabels(task) ? []
            : isOther && options is { ProblemType: Problems.Regression, Labels: null } ? Placeholders(1) : LabelsIn(config);
        int own = labels.Length;
        string[] owned = labels;
        if (HasLabels(task) && options?.Labels is { } given && (given.Count != own || !ArePlaceholders(given)))
        {
            labels = [.. given];
        }
        // A bare model has no head, but its file may lack the pooler.
        bool isNew = task == ModelTask.FeatureExtraction || isOther || labels.Length != own
            || (task == ModelTask.ImageClassification && !labels.SequenceEqual(owned));
        return new TaskSpec(task, labels, isNew, task is ModelTask.SequenceClassification or ModelTask.ImageClassification
            ? Problems.Of(config, options?.ProblemType, labels.Length) : ClassificationProblem.SingleLabel,
            options?.AsEagerTransformers ?? false, options?.Pooling, options?.InterpolatePositions ?? false, options?.Temperature);
    }

    /// <summary>The targets of labels that stand at the positions that predict them; numbers, in regression; of several classes 0 or 1 for
    /// each.</summary>
    public Targets ToTargets(Backend backend, ReadOnlySpan<int> labels, int batchSize, float? denominator) =>
        Task == ModelTask.CausalLm ? Targets.FromLabels(backend, labels, batchSize, denominator)
        : Task is ModelTask.SequenceClassification or ModelTask.ImageClassification && Problem != ClassificationProblem.SingleLabel
            ? Targets.FromValues(backend, Array.ConvertAll(labels.ToArray(), label => (float)label), batchSize, denominator)
        : Targets.Unshifted(backend, labels, batchSize, denominator);

    /// <summary>Whether a task predicts tokens of the vocabulary, so that exp(loss) is a perplexity.</summary>
    public static bool PredictsTokens(ModelTask task) => task is ModelTask.CausalLm or ModelTask.Seq2SeqLm
        or ModelTask.SpeechToText or ModelTask.MaskedLm;

    /// <summary>The task's name in the tool and in messages.</summary>
    public static string NameOf(ModelTask task) => task switch
    {
        ModelTask.CausalLm => "causal-lm",
        ModelTask.Seq2SeqLm => "seq2seq-lm",
        ModelTask.SequenceClassification => "seq-cls",
        ModelTask.TokenClassification => "token-cls",
        ModelTask.QuestionAnswering => "question-ans",
        ModelTask.MaskedLm => "masked-lm",
        ModelTask.FeatureExtraction => "feature-extraction",
        ModelTask.ImageClassification => "image-cls",
        ModelTask.Contrastive => "contrastive",
        ModelTask.Ctc => "ctc",
        ModelTask.SpeechToText => "speech-seq2seq",
        _ => "noise-prediction",
    };

    private static bool HasLabels(ModelTask task) =>
        task is ModelTask.SequenceClassification or ModelTask.TokenClassification or ModelTask.ImageClassification;

    private static void CheckTemperature(float temperature, ModelTask task)
    {
        if (task != ModelTask.FeatureExtraction)
        {
            throw new BadInputException(
                $"temperature is for contrastive training of embeddings, but the task is {NameOf(task)}; choose feature-extraction");
        }
        if (!(temperature > 0 && float.IsFinite(temperature)))
        {
            throw new BadInputException($"temperature is {temperature}, expected a number above 0");
        }
    }

    /// <summary>Whether class names are those that transformers gives to classes without a name.</summary>
    public static bool ArePlaceholders(IReadOnlyList<string> labels) => labels.Index().All(label => label.Item == Placeholder(label.Index));

    /// <summary>Names for classes without one.</summary>
    public static string[] Placeholders(int count) => [.. Enumerable.Range(0, count).Select(Placeholder)];

    private static string Placeholder(int id) => $"LABEL_{id}";

    /// <summary>The task of a class of Hugging Face transformers; null if its name does not say.</summary>
    public static ModelTask? TaskOfClass(string name) => EndOf(name) is { } end ? Ends.First(row => row.End == end).Task : null;

    /// <summary>The class of the same family for another task: BertForMaskedLM and seq-cls make BertForSequenceClassification.</summary>
    public static string? ClassFor(string name, ModelTask task) => EndOf(name) is not { } end ? null
        : TaskOfClass(name) == task ? name : name[..^end.Length]
            + (task == ModelTask.FeatureExtraction && end == "ForConditionalGeneration" ? "EncoderModel" : Ends.First(row => row.Task == task).End);

    private static string? EndOf(string name) =>
        Ends.Where(row => name.EndsWith(row.End, StringComparison.Ordinal)).OrderByDescending(row => row.End.Length).FirstOrDefault().End;

    /// <summary>The task of the class that config.json names; null if it names none. Two ends have other meanings in families that do not
    /// have the usual one: WhisperForConditionalGeneration writes what is said, CLIPModel compares pictures and texts.</summary>
    private static ModelTask? NamedIn(ConfigReader config, IReadOnlyList<ModelTask> tasks) =>
        (ConfigChecks.ArchitectureOf(config) is { } name ? TaskOfClass(name) : null) switch
        {
            ModelTask.Seq2SeqLm when tasks.Contains(ModelTask.SpeechToText) => ModelTask.SpeechToText,
            ModelTask.FeatureExtraction when tasks.Contains(ModelTask.Contrastive) => ModelTask.Contrastive,
            var task => task,
        };

    /// <summary>The class names of "id2label", in the order of their numbers; without it "LABEL_0" … for "num_labels", which is 2 by
    /// default as in transformers.</summary>
    private static string[] LabelsIn(ConfigReader config)
    {
        if (config.ObjectOrNull("id2label") is not { } map)
        {
            return Placeholders(config.Int("num_labels", 2, min: 1));
        }
        string[] ids = [.. map.Names];
        string[] labels = new string[ids.Length];
        foreach (string id in ids)
        {
            if (!NumberText.TryDigits(id, out int number) || number >= labels.Length || labels[number] is not null)
            {
                throw config.Error("id2label", $"has the number \"{id}\" among {labels.Length} classes; number them 0 to " +
                    $"{labels.Length - 1}");
            }
            labels[number] = map.String(id);
        }
        if (config.Has("num_labels") && config.Int("num_labels", 2, min: 1) != labels.Length)
        {
            throw config.Error("num_labels", $"differs from the {labels.Length} classes of \"id2label\"");
        }
        return labels;
    }
}
