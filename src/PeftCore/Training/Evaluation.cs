using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Nn;
using PeftCore.Tensors;
using PeftCore.Tokenizers;
using PeftCore.Training.Metrics;

namespace PeftCore.Training;

/// <summary>The result of an evaluation.</summary>
public sealed class EvaluationResult
{
    private readonly bool _predictsTokens;

    internal EvaluationResult(double loss, long tokens, Dictionary<string, double>? metrics = null, bool predictsTokens = true,
        int[][]? confusion = null) =>
        (Loss, Tokens, Metrics, _predictsTokens, Confusion) = (loss, tokens, metrics ?? [], predictsTokens, confusion);

    /// <summary>Mean loss over all targets: of tokens, classes and answers the cross-entropy in nats.</summary>
    public double Loss { get; }

    /// <summary>Number of targets: tokens, or what the task predicts instead.</summary>
    public long Tokens { get; }

    /// <summary>The metrics of the model's task by name, such as "accuracy"; empty for language models.</summary>
    public IReadOnlyDictionary<string, double> Metrics { get; }

    /// <summary>Confusion matrix: how many samples of each class (row) were predicted as each class (column). Null for tasks in which a
    /// sample has no single class.</summary>
    public IReadOnlyList<IReadOnlyList<int>>? Confusion { get; }

    /// <summary>exp(<see cref="Loss"/>) of a model that predicts tokens; null for other tasks. Above a loss of 709 it overflows a double;
    /// the largest double replaces it, so that a file of results holds a number.</summary>
    public double? Perplexity =>
        !_predictsTokens ? null : double.IsNaN(Loss) ? double.NaN : Math.Min(Math.Exp(Loss), double.MaxValue);
}

/// <summary>Evaluates models on data.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// using var model = ModelLoader.Load(modelDirectory, backend);
/// var tokenizer = Tokenizer.FromDirectory(modelDirectory);
/// var samples = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 64 }).Encode([.. DataFiles.ReadFile(dataFile).Take(4)]);
/// var loader = new DataLoader(samples, new LoaderOptions { BatchSize = 4, PadId = tokenizer.PadId ?? 0, Shuffle = false });
/// var result = Evaluation.Run(model, loader.Epoch());
/// Console.WriteLine($"loss {result.Loss:0.000}, perplexity {result.Perplexity:0.0}");
/// </code>
/// </example>
public static class Evaluation
{
    /// <summary>Mean loss over all targets of all batches, and the metrics of the task; every target has the same weight, whatever batch
    /// holds it. Dropout is off and no tape records.</summary>
    /// <param name="model">The model, with its active adapters.</param>
    /// <param name="batches">The data.</param>
    /// <param name="cancel">Cancels between two batches.</param>
    /// <param name="withMetrics">Whether to compute the metrics of the task, for which an encoder-decoder writes the targets.</param>
    /// <exception cref="OperationCanceledException">The evaluation was cancelled; there is no partial result.</exception>
    public static EvaluationResult Run(TransformerModel model, IEnumerable<Batch> batches, CancellationToken cancel = default,
        bool withMetrics = true)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(batches);
        using var evaluation = new EvalModeScope(model.Mode);
        double sum = 0;
        long tokens = 0;
        var meter = withMetrics ? TaskMeter.Of(model) : null;
        foreach (var batch in batches)
        {
            cancel.ThrowIfCancellationRequested();
            ArgumentNullException.ThrowIfNull(batch, nameof(batches));
            int targets = batch.TrainableTokens;
            if (targets > 0)
            {
                sum += targets * Tape.NoGrad(() => MeanLoss(model, batch, meter));
                tokens += targets;
            }
        }
        return tokens > 0
            ? new EvaluationResult(sum / tokens, tokens, meter?.Scores(), TaskSpec.PredictsTokens(model.Task),
                meter?.Confusion(model.Labels.Count))
            : throw new BadInputException("the evaluation data have no token to predict: every label is masked");
    }

    /// <summary>The metrics of the target texts that an encoder-decoder writes for source texts: accuracy (equal texts), ROUGE and
    /// BLEU; of labels also the macro F1, where a text that is no label is a class of its own; of recordings the word and character error
    /// rates.</summary>
    /// <param name="model">The model, with its active adapters.</param>
    /// <param name="examples">Encoded pairs of source and target.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="batchSize">Texts at once.</param>
    /// <param name="cancel">Cancels between two tokens.</param>
    /// <param name="generation">Beams and suppressed tokens; null for none. Of texts other than transcripts they do not count.</param>
    /// <exception cref="BadInputException">The model does not generate text, or an example has no target.</exception>
    /// <exception cref="OperationCanceledException">The evaluation was cancelled.</exception>
    public static IReadOnlyDictionary<string, double> OfTexts(TransformerModel model, IReadOnlyList<Example> examples, Tokenizer tokenizer,
        int batchSize = 8, CancellationToken cancel = default, GenerationOptions? generation = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(model);
        if (Given.Items(examples).Count == 0)
        {
            throw new BadInputException("there are no examples to evaluate");
        }
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        if (model.Task is ModelTask.Ctc or ModelTask.SpeechToText)
        {
            return TranscriptScores.Of(model, examples, tokenizer, generation ?? new GenerationOptions(), batchSize, cancel);
        }
        int[][] targets = [.. examples.Select(example => example.TargetIds
            ?? throw new BadInputException("an example has no target text to compare a generated one with"))];
        var options = new GenerationOptions
        {
            MaxNewTokens = targets.Max(target => target.Length),
            StopTokens = [.. tokenizer.StopIds],
        };
        var texts = new BatchGenerator(model, model.Backend, batchSize)
            .Generate([.. examples.Select(example => example.Ids)], options, tokens => tokenizer.Decode([.. tokens]), cancel);
        return TextScores.Of([.. texts.Select(text => text.Text)], [.. targets.Select(target => tokenizer.Decode(target))],
            examples.All(example => example.IsLabel));
    }

    private static double MeanLoss(TransformerModel model, Batch batch, TaskMeter? meter)
    {
        using var scope = new TensorScope();
        var inputs = batch.ToInputs(model);
        meter?.Add(batch, meter.ReadsLogits ? model.Logits(inputs).ToFloats() : []);
        return model.Loss(inputs, batch.ToTargets(model)).Item();
    }
}
