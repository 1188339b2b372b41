using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftCore.Models;

/// <summary>The names by which Hugging Face PEFT finds the head of a task: the head is new, so it is trained in full with every adapter and
/// saved in its file. A module belongs to the head if its path ends in one of these names.</summary>
internal static class SavedHead
{
    private static IReadOnlyList<string> NamesOf(ModelTask task) => task switch
    {
        ModelTask.SequenceClassification or ModelTask.TokenClassification => ["classifier", "score"],
        ModelTask.QuestionAnswering => ["qa_outputs"],
        _ => [],
    };

    /// <summary>The names for a model: those of its task, or that of its head if no module has one of them; and further modules with
    /// random weights. Hugging Face PEFT leaves these out, and draws them anew whenever the adapter is loaded, so that it computes
    /// something else.</summary>
    public static IReadOnlyList<string> NamesOf(TransformerModel model)
    {
        var names = NamesOf(model.Task);
        if (names.Count > 0
            && !model.NamedModules().Any(module => names.Any(name => module.Path.EndsWith(name, StringComparison.Ordinal))))
        {
            names = [model.HeadName];
        }
        return model.Task == ModelTask.FeatureExtraction ? names
            : [.. names, .. model.NewModules.Where(name => !EndsInOneOf(names, name))];
    }

    private static bool EndsInOneOf(IReadOnlyList<string> names, string path) =>
        names.Any(name => path.EndsWith(name, StringComparison.Ordinal));

    /// <summary>The task of an adapter_config.json; null if its adapter fits any head over the vocabulary.</summary>
    /// <param name="type">task_type.</param>
    /// <param name="className">The class that auto_mapping names.</param>
    public static ModelTask? TaskOf(string? type, string? className) => type switch
    {
        "SEQ_CLS" => ModelTask.SequenceClassification,
        "TOKEN_CLS" => ModelTask.TokenClassification,
        "QUESTION_ANS" => ModelTask.QuestionAnswering,
        "FEATURE_EXTRACTION" => ModelTask.FeatureExtraction,
        null when className is not null && TaskSpec.TaskOfClass(className) is { } task and
            (ModelTask.MaskedLm or ModelTask.ImageClassification or ModelTask.Ctc) => task,
        _ => null,
    };

    /// <summary>task_type in adapter_config.json; null if Hugging Face PEFT has none for the task.</summary>
    public static string? TypeOf(ModelTask task) => task switch
    {
        ModelTask.CausalLm => "CAUSAL_LM",
        ModelTask.Seq2SeqLm => "SEQ_2_SEQ_LM",
        ModelTask.SequenceClassification => "SEQ_CLS",
        ModelTask.TokenClassification => "TOKEN_CLS",
        ModelTask.QuestionAnswering => "QUESTION_ANS",
        ModelTask.FeatureExtraction => "FEATURE_EXTRACTION",
        _ => null,
    };

    /// <summary>auto_mapping in adapter_config.json, which names the class of a model without a task type; null if it is not
    /// known.</summary>
    public static JsonElement? MappingOf(TransformerModel model)
    {
        if (model.Architecture is not { } name)
        {
            return null;
        }
        string library = model.ModelType.Replace('-', '_');
        return JsonElement.Parse(new JsonObject
        {
            ["base_model_class"] = name,
            ["parent_library"] = $"transformers.models.{library}.modeling_{library}",
        }.ToJsonString());
    }
}
