using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using PeftCore.Extensions.AI.Training;

namespace PeftCore.Extensions.AI;

/// <summary>Trains the adapters of a queue in the background, saves each, and lets it serve under its name: requests that come later run
/// with it, and those under way end with the adapter that they began with. The host stops it after the current step.</summary>
public sealed class AdapterTrainingService : BackgroundService
{
    private readonly PeftCoreModel _model;
    private readonly AdapterTrainingQueue _queue;
    private readonly PeftCoreTrainingOptions _options;
    private readonly ILogger _logger;
    private readonly AdapterTraining _training;
    private readonly AdapterRuns _runs;

    /// <summary>Creates the service.</summary>
    /// <param name="model">The serving model.</param>
    /// <param name="queue">The jobs.</param>
    /// <param name="options">Where adapters are saved, and the device that trains.</param>
    /// <param name="loggers">Receives the progress; null for no log.</param>
    /// <exception cref="BadInputException">The serving model has no directory to load its base from again.</exception>
    public AdapterTrainingService(PeftCoreModel model, AdapterTrainingQueue queue, IOptions<PeftCoreTrainingOptions> options,
        ILoggerFactory? loggers = null)
        : this(model, queue, options, loggers, Instruments.Shared) { }

    internal AdapterTrainingService(PeftCoreModel model, AdapterTrainingQueue queue, IOptions<PeftCoreTrainingOptions> options,
        ILoggerFactory? loggers, Instruments instruments)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(queue);
        ArgumentNullException.ThrowIfNull(options);
        (_model, _queue, _options) = (model, queue, options.Value);
        _logger = (loggers ?? NullLoggerFactory.Instance).CreateLogger<AdapterTrainingService>();
        if (model.Directory is null)
        {
            throw new BadInputException($"{model.ModelId} has no ModelDirectory, from which its base is loaded for training; give it");
        }
        _training = new AdapterTraining(model, _options, instruments, _logger);
        _runs = new AdapterRuns(_options.OutputDirectory);
    }

    /// <summary>Serves the adapters that were trained before, if the options say so, and begins to train.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        if (_options.ServeSaved)
        {
            await Task.Run(ServeSaved, cancellationToken).ConfigureAwait(false);
        }
        await base.StartAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var job in _queue.Jobs.ReadAllAsync(stoppingToken).ConfigureAwait(false))
            {
                await Task.Factory.StartNew(() => Train(job, stoppingToken), CancellationToken.None, TaskCreationOptions.LongRunning,
                    TaskScheduler.Default).ConfigureAwait(false);
            }
        }
        finally
        {
            _queue.Close();
        }
    }

    private void ServeSaved()
    {
        foreach (var (adapter, directory) in _runs.Saved())
        {
            _model.LoadAdapter(adapter, directory);
        }
    }

    private void Train(AdapterTrainingJob job, CancellationToken stopping)
    {
        string adapter = job.Request.Adapter;
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(stopping, job.Cancelled);
        try
        {
            cancel.Token.ThrowIfCancellationRequested();
            job.Start();
            if (adapter == _model.ModelId)
            {
                throw new BadInputException($"an adapter cannot be called \"{adapter}\", which is the name of the base model; " +
                    "choose another");
            }
            string directory = _runs.Next(adapter);
            var result = _training.Run(job, directory, cancel.Token);
            Log.TrainingEnded(_logger, adapter, result.Steps, result.TrainLoss, directory);
            if (job.Request.Serve)
            {
                _model.LoadAdapter(adapter, directory);
            }
            job.Complete(result, directory);
        }
        catch (OperationCanceledException)
        {
            Log.TrainingCancelled(_logger, adapter);
            job.EndCancelled();
        }
        catch (Exception exception)
        {
            Log.TrainingFailed(_logger, exception, adapter);
            job.Fail(exception);
        }
    }
}
