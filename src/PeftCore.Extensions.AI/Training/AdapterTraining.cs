using System.Diagnostics;
using Microsoft.Extensions.Logging;
using PeftCore.Data;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Training;

namespace PeftCore.Extensions.AI.Training;

/// <summary>Trains one adapter on a base model of its own, so that the answers of the serving model do not wait for it, and saves
/// it.</summary>
/// <param name="model">The serving model, whose base is loaded again.</param>
/// <param name="options">The device.</param>
/// <param name="instruments">Receives the measurements of each step.</param>
/// <param name="logger">Receives the progress.</param>
internal sealed class AdapterTraining(PeftCoreModel model, PeftCoreTrainingOptions options, Instruments instruments, ILogger logger)
{
    private const int UsualLength = 512;

    /// <summary>Trains and saves.</summary>
    /// <param name="job">The job, which is told of each step.</param>
    /// <param name="directory">Where the adapter is saved; it does not exist yet.</param>
    /// <param name="cancel">Ends the run after the current step.</param>
    /// <exception cref="BadInputException">A setting or a row is invalid.</exception>
    /// <exception cref="TrainingDivergedException">A loss or a gradient is not finite.</exception>
    public TrainingResult Run(AdapterTrainingJob job, string directory, CancellationToken cancel)
    {
        var request = job.Request;
        long start = Stopwatch.GetTimestamp();
        using var activity = Instruments.Source.StartActivity($"train {request.Adapter}");
        activity?.SetTag("peftcore.adapter.name", request.Adapter);
        try
        {
            using var backend = options.NewBackend();
            using var transformer = PeftCoreModel.LoadBase(model.Options, backend, logger);
            var result = Run(job, new PeftModel(transformer), directory, cancel);
            activity?.SetTag("peftcore.training.steps", result.Steps);
            activity?.SetTag("peftcore.training.loss", result.TrainLoss);
            return result;
        }
        catch (Exception exception)
        {
            activity?.SetStatus(ActivityStatusCode.Error, exception.Message);
            throw;
        }
        finally
        {
            instruments.TrainingDuration.Record(Stopwatch.GetElapsedTime(start).TotalSeconds, Instruments.TagOf(request.Adapter));
        }
    }

    private TrainingResult Run(AdapterTrainingJob job, PeftModel trained, string directory, CancellationToken cancel)
    {
        var request = job.Request;
        AddAdapter(trained, request);
        var encoding = request.Encoding ?? UsualEncoding(trained);
        var encoder = new ExampleEncoder(model.Tokenizer, encoding);
        var samples = encoder.Encode(request.Rows);
        var evaluation = request.EvaluationRows is { } rows ? NewLoader(encoder.Encode(rows), request) : null;
        foreach (string warning in encoder.Warnings)
        {
            Log.LoadWarning(logger, warning);
        }
        var trainer = new Trainer(trained, request.Trainer with { OutputDirectory = directory }, NewLoader(samples, request), evaluation);
        trainer.StepDone += progress =>
        {
            instruments.Record(request.Adapter, progress);
            Log.TrainingStep(logger, request.Adapter, progress.Step, progress.TotalSteps, progress.Loss, progress.TokensPerSecond);
            job.Report(progress);
        };
        Log.TrainingStarted(logger, request.Adapter, samples.Count, trainer.TotalSteps, trained.TrainableSummary);
        var result = trainer.Run(cancel);
        if (result.Interrupted)
        {
            throw new OperationCanceledException(cancel);
        }
        return result;
    }

    private void AddAdapter(PeftModel trained, AdapterTrainingRequest request)
    {
        if (!request.Continue)
        {
            trained.AddAdapter(request.Config ?? new LoraConfig(), seed: request.Seed);
            return;
        }
        string from = model.DirectoryOfAdapter(request.Adapter) ?? throw new BadInputException(
            $"there is no adapter \"{request.Adapter}\" with a directory to continue from; train it anew first");
        trained.Load(from, trainable: true);
    }

    private EncodeOptions UsualEncoding(PeftModel trained) => new()
    {
        MaxSeqLength = Math.Min(UsualLength, trained.Base.MaxLength),
        Task = trained.Base.Task,
        ChatTemplate = ChatTemplates.Chosen(model),
    };

    private DataLoader NewLoader(IReadOnlyList<Example> samples, AdapterTrainingRequest request) => new(samples, new LoaderOptions
    {
        BatchSize = request.BatchSize,
        PadId = model.Tokenizer.PadId ?? 0,
        Seed = request.Seed,
    });
}
