using System.Diagnostics;
using PeftCore.Cli.Options;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Training;

namespace PeftCore.Cli.Session;

/// <summary>Trains several methods with the same model, order of batches, steps, schedule and candidate learning rates.</summary>
internal sealed class Comparison
{
    private const int BaseTexts = 24, BaseLength = 64;

    private readonly ModelSession _session;
    private readonly CompareOptions _options;
    private readonly DataSetup _setup;
    private readonly List<Example> _train;
    private readonly List<Example> _held;
    private readonly List<Example>? _baseText;

    /// <param name="session">The base model.</param>
    /// <param name="options">The flags.</param>
    /// <param name="places">Largest number of virtual tokens of a method; all methods get sequences of the same length.</param>
    /// <param name="call">Receives notes and warnings.</param>
    public Comparison(ModelSession session, CompareOptions options, int places, Verbs.Invocation call)
    {
        (_session, _options) = (session, options);
        _setup = new DataSetup(session, options, places);
        var splits = _setup.Open(options.Data ?? throw new BadInputException("expected --data DIR, data to train and evaluate on."),
            call);
        _setup.TakeLabels(splits.RequireTrain(), call);
        _train = _setup.Encode(splits.RequireTrain(), call);
        _held = _setup.Encode(splits.Validation
            ?? throw new BadInputException($"{options.Data}: there are no validation data to compare on; add a valid file."), call);
        HeldLoss = RunFailedException.Finite(Loss(_held), "the held-out loss before training");
        _baseText = BaseTextOf(call);
        BaseLoss = _baseText is null ? null : RunFailedException.Finite(Loss(_baseText), "the loss on the base's kind of text");
    }

    /// <summary>Held-out loss of the base model.</summary>
    public double HeldLoss { get; }

    /// <summary>Loss of the base model on text sampled from it, or on --base-text; null for a model that writes no text if none is
    /// given.</summary>
    public double? BaseLoss { get; }

    /// <summary>Trains one method with each learning rate and keeps the result with the lowest held-out loss. The adapter is written below
    /// the comparison's directory, which replaces an older one when all methods are done.</summary>
    public ComparedMethod Run(MethodSpec method, IReadOnlyList<double> rates, string adapterDirectory, CancellationToken stop)
    {
        ComparedMethod? best = null;
        foreach (double rate in rates)
        {
            stop.ThrowIfCancellationRequested();
            var run = Train(method, rate, adapterDirectory + ".new", stop);
            bool better = run is not null && (best is null || run.HeldLoss < best.HeldLoss);
            if (better)
            {
                Replace(adapterDirectory + ".new", adapterDirectory);
                best = run;
            }
        }
        DeleteIfThere(adapterDirectory + ".new");
        return best ?? throw new RunFailedException(
            $"{method.Text} diverges with every learning rate of {_options.LearningRates}; try smaller ones");
    }

    /// <returns>Null if training diverged.</returns>
    private ComparedMethod? Train(MethodSpec method, double rate, string directory, CancellationToken stop)
    {
        var model = _session.Model;
        var loader = _setup.Loader(_train, train: true);
        var config = WeightSelection.Prepare(model.Base, method.Config(_session.Directory),
            loader.Epoch().Take(UsualBatches.OfSelection), stop);
        LoraCalibration.Attach(model, config, loader.Epoch().Take(UsualBatches.OfCalibration), _options.Seed, cancel: stop);
        try
        {
            var trainer = new Trainer(model, new TrainerOptions
            {
                MaxSteps = _options.MaxSteps, LearningRate = rate, WarmupRatio = 0.1,
                Seed = _options.Seed
            }, loader);
            _session.Backend.Memory.ResetPeak();
            var clock = Stopwatch.StartNew();
            trainer.Run(stop);
            double seconds = clock.Elapsed.TotalSeconds;
            long peak = _session.Backend.Memory.PeakBytes, trains = model.TrainableCount;
            model.Save(directory);
            long bytes = Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length);
            double held = Loss(_held);
            double? forgetting = _baseText is null ? null : Loss(_baseText) - BaseLoss;
            return double.IsFinite(held) && double.IsFinite(forgetting ?? 0) ? new ComparedMethod(method.Text, rate, held, forgetting,
                trains, bytes, peak, seconds) : null;
        }
        catch (TrainingDivergedException)
        {
            return null;
        }
        finally
        {
            model.Unload();
        }
    }

    private double Loss(List<Example> examples) => Evaluation.Run(_session.Model.Base, _setup.Loader(examples, train: false).Epoch()).Loss;

    private List<Example>? BaseTextOf(Verbs.Invocation call)
    {
        if (_session.ReadsText)
        {
            return _options.BaseText is { } file ? _setup.Encode(_setup.ReadFile(file, call), call)
                : _session.Declared.Task is ModelTask.CausalLm or ModelTask.Seq2SeqLm ? Written() : null;
        }
        return _options.BaseText is null ? null : throw new BadInputException(
            $"--base-text is for models that read text, but this {_session.Declared.ModelType} model reads none; leave it out.");
    }

    /// <summary>Samples text from the base. The rise of the loss on it estimates KL(base ‖ adapted) per token.</summary>
    private List<Example> Written()
    {
        if (_session.Model.Base.Task == ModelTask.Seq2SeqLm)
        {
            throw new BadInputException("compare samples texts of the base from nothing, which an encoder-decoder does not write; give " +
                "--base-text FILE, sources and targets of the kind that the base was trained on.");
        }
        var generator = new Generator(_session.Model.Base, _session.Backend);
        int start = _session.Tokenizer.BosId ?? _session.Tokenizer.EosId ?? 0;
        return [.. Enumerable.Range(0, BaseTexts).Select(number =>
        {
            var written = generator.Generate([start], new GenerationOptions { MaxNewTokens = Math.Min(BaseLength, _setup.MaxLength - 1),
                Temperature = 1, Seed = _options.Seed + (ulong)number });
            int[] ids = [start, .. written.Tokens];
            return new Example(ids, ids);
        })];
    }

    private static void Replace(string from, string to)
    {
        DeleteIfThere(to);
        Directory.Move(from, to);
    }

    /// <summary>Removes a directory with its content, if it exists.</summary>
    public static void DeleteIfThere(string directory)
    {
        if (Directory.Exists(directory))
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}

/// <summary>The result of one method.</summary>
/// <param name="Method">The method as the user wrote it.</param>
/// <param name="LearningRate">The learning rate with the lowest held-out loss.</param>
/// <param name="HeldLoss">Loss on held-out data after training.</param>
/// <param name="Forgetting">Rise of the loss on text sampled from the base; null without such text.</param>
/// <param name="Trainable">Number of trainable parameters.</param>
/// <param name="AdapterBytes">Bytes of the saved adapter.</param>
/// <param name="PeakBytes">Peak memory of training in bytes, including the model.</param>
/// <param name="Seconds">Time of the training.</param>
internal sealed record ComparedMethod(string Method, double LearningRate, double HeldLoss, double? Forgetting, long Trainable,
    long AdapterBytes, long PeakBytes, double Seconds)
{
    /// <summary>The name without the fields in brackets.</summary>
    public string ShortName => Method.Split('[')[0];
}
