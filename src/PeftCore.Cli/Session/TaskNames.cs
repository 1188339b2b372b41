using PeftCore.Models;

namespace PeftCore.Cli.Session;

/// <summary>The values of --task.</summary>
internal static class TaskNames
{
    private static readonly (string Name, ModelTask Task)[] Rows =
    [
        ("causal-lm", ModelTask.CausalLm),
        ("seq2seq-lm", ModelTask.Seq2SeqLm),
        ("seq-cls", ModelTask.SequenceClassification),
        ("token-cls", ModelTask.TokenClassification),
        ("question-ans", ModelTask.QuestionAnswering),
        ("masked-lm", ModelTask.MaskedLm),
        ("feature-extraction", ModelTask.FeatureExtraction),
        ("image-cls", ModelTask.ImageClassification),
        ("contrastive", ModelTask.Contrastive),
        ("ctc", ModelTask.Ctc),
        ("speech-seq2seq", ModelTask.SpeechToText),
        ("noise-prediction", ModelTask.NoisePrediction),
    ];

    /// <summary>All names.</summary>
    public static IEnumerable<string> All => Rows.Select(row => row.Name);

    /// <summary>The name of a task.</summary>
    public static string Of(ModelTask task) => Rows.First(row => row.Task == task).Name;

    /// <summary>The task of a name.</summary>
    /// <exception cref="BadInputException">There is no such task.</exception>
    public static ModelTask Parse(string name) => Array.Find(Rows, row => row.Name == name) is { Name: not null } row ? row.Task
        : throw new BadInputException($"--task is \"{name}\", expected one of {string.Join(", ", All)}");
}
