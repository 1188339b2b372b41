using System.Diagnostics;
using PeftCore.Data;
using PeftCore.Optim;

namespace PeftCore.Training;

/// <summary>The training loop of a <see cref="Trainer"/>: <see cref="Run"/> draws, steps, logs, evaluates and saves. The state that a
/// resumption restores is in <see cref="TrainerState"/>; everything else is computed from the options.</summary>
internal sealed class TrainingLoop : IDisposable
{
    private readonly Trainer _trainer;
    private readonly TrainerOptions _options;
    private readonly ITrainable _trainable;
    private readonly DataLoader _train;
    private readonly Optimizer _optimizer;
    private readonly ITrainingStep _step;
    private readonly LearningRateSchedule _schedule;
    private readonly TrainerState _state;
    private readonly RunDirectory? _directory;
    private readonly List<Batch> _microBatches = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly double _elapsedBefore;
    private readonly int _firstStep;

    /// <summary>Starts a run, or restores the checkpoint that the options resume from.</summary>
    /// <exception cref="BadInputException">The checkpoint does not fit, or the output directory cannot be used.</exception>
    public TrainingLoop(Trainer trainer)
    {
        (_trainer, _options, _trainable, _train) = (trainer, trainer.Options, trainer.Trainable, trainer.Train);
        _state = TrainerState.Start(_options, _train.Fingerprint);
        Optimizer? optimizer = null;
        try
        {
            _directory = _options.OutputDirectory is { } output ? new RunDirectory(output, _options, _state.Step, trainer.Fault) : null;
            _optimizer = optimizer = _options.NewOptimizer(_trainable);
            if (_options.ResumeFrom is { } checkpoint)
            {
                _trainable.Load(checkpoint);
                Checkpoint.ReadOptimizer(checkpoint, _optimizer);
            }
            _directory?.OpenLog(_state.LogLength);
            _train.Position = _state.Position;
        }
        catch
        {
            optimizer?.Dispose();
            _directory?.Dispose();
            throw;
        }
        _trainable.Model.Mode.Seed = _options.Seed;
        _step = _options.NewStep(_trainable, _optimizer);
        _schedule = _options.NewSchedule(trainer.TotalSteps);
        (_elapsedBefore, _firstStep) = (_state.Elapsed, _state.Step);
        _trainable.Model.Backend.Memory.ResetPeak();
    }

    /// <summary>Runs the steps that are left.</summary>
    /// <param name="cancel">Ends the run after the current step or evaluation batch, with a checkpoint.</param>
    /// <exception cref="TrainingDivergedException">A loss or a gradient is not finite.</exception>
    public TrainingResult Run(CancellationToken cancel)
    {
        (long Tokens, double Seconds) sinceLog = default;
        while (_state.EvaluationDue || !IsFinished)
        {
            if (!_state.EvaluationDue) // A run that was interrupted in an evaluation resumes with that evaluation.
            {
                // 1. Draw the micro batches of one step.
                double start = _clock.Elapsed.TotalSeconds;
                DrawMicroBatches();

                // 2. Step: forward and backward of each micro batch, clipping, one update (see TrainingSteps.Run).
                double learningRate = _schedule.At(_state.Step);
                var result = _step.Run(_microBatches, learningRate, _state.Step, _state.Passes);
                double seconds = _clock.Elapsed.TotalSeconds - start;
                _state.AddStep(result, _microBatches.Count, _train.Position, seconds);
                sinceLog = (sinceLog.Tokens + result.Tokens, sinceLog.Seconds + seconds);
                Measure();

                // 3. Log, and report the progress.
                if (_state.Step % _options.LoggingSteps == 0 || _state.Step == _trainer.TotalSteps)
                {
                    LogStep(result, learningRate, sinceLog.Tokens / sinceLog.Seconds);
                    sinceLog = default;
                }
                Report(result, learningRate, seconds);
                _state.EvaluationDue = IsEvaluationStep;
            }

            // 4. Evaluate.
            bool isBest = _state.EvaluationDue && TryEvaluate(cancel) && _state.BestStep == _state.Step;

            // 5. Save a checkpoint.
            bool interrupted = cancel.IsCancellationRequested && (_state.EvaluationDue || !IsFinished);
            if (interrupted || IsCheckpointStep(isBest))
            {
                SaveCheckpoint();
            }
            if (interrupted)
            {
                return Result(interrupted);
            }
        }

        // 6. Save the result: the last parameters, or the best.
        if (_options.LoadBestModelAtEnd && _state.BestStep != _state.Step)
        {
            _trainable.Load(_directory!.BestCheckpoint(_state.BestStep));
        }
        _directory?.SaveResult(_trainable);
        return Result(interrupted: false);
    }

    public void Dispose()
    {
        _step.Dispose();
        _optimizer.Dispose();
        _directory?.Dispose();
    }

    private bool IsFinished => _state.StoppedEarly || _state.Step >= _trainer.TotalSteps;

    private bool IsEvaluationStep => _trainer.Evaluation is not null
        && (_state.Step == _trainer.TotalSteps || (_options.EvalSteps > 0 && _state.Step % _options.EvalSteps == 0));

    private bool IsCheckpointStep(bool isBest) => _directory is not null
        && ((_options.SaveSteps > 0 && (_state.Step % _options.SaveSteps == 0 || IsFinished))
            || (isBest && (_options.LoadBestModelAtEnd || _options.SaveSteps > 0)));

    /// <summary>Draws the batches of one step. A step ends with the epoch, even if it has fewer batches then.</summary>
    private void DrawMicroBatches()
    {
        foreach (var used in _microBatches)
        {
            _train.Return(used);
        }
        _microBatches.Clear();
        int epoch = _train.Position.Epoch;
        do
        {
            _microBatches.Add(_train.Next());
        }
        while (_microBatches.Count < _options.GradientAccumulationSteps && _train.Position.Epoch == epoch);
    }

    private void LogStep(StepResult result, double learningRate, double tokensPerSecond)
    {
        double loss = _state.TakeUnloggedLoss();
        _directory?.Log(("step", _state.Step), ("epoch", Epoch), ("loss", loss), ("learning_rate", learningRate),
            ("grad_norm", result.GradientNorm), ("tok_s", tokensPerSecond), ("peak_bytes", _state.PeakBytes),
            ("elapsed", _state.Elapsed));
    }

    private void Report(StepResult result, double learningRate, double seconds)
    {
        int done = _state.Step - _firstStep;
        var left = TimeSpan.FromSeconds(_clock.Elapsed.TotalSeconds / done * (_trainer.TotalSteps - _state.Step));
        _trainer.Raise(new TrainingProgress(_state.Step, _trainer.TotalSteps, Epoch, result.Loss, learningRate, result.GradientNorm,
            result.Tokens / seconds, _state.PeakBytes, TimeSpan.FromSeconds(_state.Elapsed), left));
    }

    /// <summary>Evaluates; false, with the evaluation still due, if it was cancelled.</summary>
    private bool TryEvaluate(CancellationToken cancel)
    {
        EvaluationResult result;
        try
        {
            result = Evaluation.Run(_trainable.Model, _trainer.Evaluation!.Epoch(), cancel);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        if (!double.IsFinite(result.Loss))
        {
            throw new TrainingDivergedException(_state.Step, result.Loss);
        }
        bool isBest = _state.AddEvaluation(result, _options);
        Measure();
        _directory?.Log([("step", _state.Step), ("epoch", Epoch), ("eval_loss", result.Loss),
            .. result.Perplexity is { } perplexity ? [("eval_perplexity", perplexity)] : Array.Empty<(string, double)>(),
            .. result.Metrics.Select(metric => ($"eval_{metric.Key}", metric.Value)), ("elapsed", _state.Elapsed)]);
        _trainer.Raise(new TrainingEvaluation(_state.Step, result, isBest));
        return true;
    }

    private void SaveCheckpoint()
    {
        if (_directory is not null)
        {
            Measure();
            _trainer.Raise(_directory.SaveCheckpoint(_trainable, _optimizer, _state));
        }
    }

    /// <summary>Number of passes over the data, as a fraction.</summary>
    private double Epoch => _state.Position.Epoch + (double)_state.Position.Batch / _train.BatchesPerEpoch;

    /// <summary>Updates the elapsed time and the memory peak of the state.</summary>
    private void Measure()
    {
        _state.Elapsed = _elapsedBefore + _clock.Elapsed.TotalSeconds;
        _state.PeakBytes = Math.Max(_state.PeakBytes, _trainable.Model.Backend.Memory.PeakBytes);
    }

    private TrainingResult Result(bool interrupted)
    {
        Measure();
        double? evalLoss = _state.BestStep == 0 ? null
            : _options.LoadBestModelAtEnd && !interrupted ? _state.BestLoss : _state.LastEvalLoss;
        return new TrainingResult(_state.Step, _state.LossSum / Math.Max(1, _state.Step), evalLoss,
            _state.Tokens / Math.Max(1e-9, _state.StepSeconds), _state.PeakBytes, TimeSpan.FromSeconds(_state.Elapsed), interrupted,
            _state.StoppedEarly, _state.BestStep, _directory?.LastCheckpoint);
    }
}
