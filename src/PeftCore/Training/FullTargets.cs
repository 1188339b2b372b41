using PeftCore.Data;
using PeftCore.Models;

namespace PeftCore.Training;

/// <summary>Samples with all targets that a task can have, for memory plans and benchmarks.</summary>
internal static class FullTargets
{
    // Of 20 tokens, the first 3 are predicted: the 15 % of masked language modelling.
    private const int Period = 20, Predicted = 3;

    /// <summary>A sample of a model's task.</summary>
    /// <param name="model">The model.</param>
    /// <param name="row">The number of the sample.</param>
    /// <param name="ids">(T): its tokens.</param>
    /// <param name="target">Creates the tokens that an encoder-decoder writes, or of a text similar to the first.</param>
    /// <exception cref="BadInputException">The task has no loss.</exception>
    public static Example Of(TransformerModel model, int row, int[] ids, Func<int[]> target) => model.Task switch
    {
        ModelTask.CausalLm => new Example(ids, ids),
        ModelTask.Ctc => Example.Unlabelled(ids) with { TargetIds = target(), IsTranscript = true },
        ModelTask.Seq2SeqLm or ModelTask.SpeechToText => Example.Unlabelled(ids) with { TargetIds = target() },
        ModelTask.NoisePrediction => Example.Unlabelled(ids), // The noise of its picture is the target.
        ModelTask.Contrastive => Example.Unlabelled(ids) with { IsPair = true },
        ModelTask.SequenceClassification or ModelTask.ImageClassification when model.ProblemType == Problems.Regression =>
            Example.Unlabelled(ids) with { Score = row },
        ModelTask.SequenceClassification or ModelTask.ImageClassification when model.ProblemType == Problems.MultiLabel =>
            Example.Unlabelled(ids) with { ClassFlags = [.. model.Labels.Select((_, label) => (float)((row + label) % 2))] },
        ModelTask.SequenceClassification or ModelTask.ImageClassification =>
            Example.Unlabelled(ids) with { ClassLabel = row % model.Labels.Count },
        ModelTask.TokenClassification => new Example(ids, Array.ConvertAll(ids, id => id % model.Labels.Count)) { LabelsInPlace = true },
        ModelTask.QuestionAnswering => Example.Unlabelled(ids) with { Span = (0, ids.Length - 1) },
        ModelTask.MaskedLm => new Example(ids, [.. ids.Select((id, i) => i % Period < Predicted ? id : Example.Masked)])
        {
            LabelsInPlace = true,
        },
        ModelTask.FeatureExtraction when model.VocabularySize > 0 =>
            Example.Unlabelled(ids) with { Positive = Example.Unlabelled(target()) },
        _ => throw new BadInputException($"this {model.ModelType} model returns hidden states, which have no loss, so there is no step " +
            "to plan; choose another task"),
    };
}
