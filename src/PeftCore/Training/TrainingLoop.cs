using System.Diagnostics;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Optim;

namespace PeftCore.Training;

/// <summary>One run of a <see cref="Trainer"/>, from its start or from a checkpoint.</summary>
internal sealed class TrainerRun : IDisposable
{
    private readonly Trainer _trainer;
    private readonly TrainerOptions _options;
    private readonly Optimizer _optimizer;
    private readonly TrainingStep _step;
    private readonly LearningRateSchedule _schedule;
    private readonly CheckpointKeeper? _keeper;
    private readonly TrainerState _state;
    private readonly RunLog? _log;
    private readonly HeldFile? _place;
    private readonly List<Batch> _batches = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly double _elapsedBefore;
    private readonly int _firstStep;
    private (long Tokens, double Seconds) _sinceLog;

    public TrainerRun(Trainer trainer)
    {
        (_trainer, _options) = (trainer, trainer.Options);
        _state = Begin();
        _keeper = _options.OutputDirectory is { } output ? new CheckpointKeeper(output, _options.SaveTotalLimit, trainer.Fault) : null;
        _place = _keeper?.Hold();
        Optimizer? optimizer = null;
        try
        {
            _keeper?.Prepare(GoesOnInPlace ? _state.Step : null);
            _optimizer = optimizer = _options.NewOptimizer(trainer.Trainable);
            if (_options.ResumeFrom is { } checkpoint)
            {
                trainer.Trainable.Load(checkpoint);
                Checkpoint.ReadOptimizer(checkpoint, _optimizer);
            }
            _log = _options.OutputDirectory is null ? null : RunLog.Open(_options.OutputDirectory, _state.LogLength, ResumedRun,
                trainer.Fault);
        }
        catch
        {
            optimizer?.Dispose();
            _place?.Dispose();
            throw;
        }
        trainer.Train.Position = _state.Position;
        trainer.Trainable.Model.Mode.Seed = _options.Seed;
        _step = new TrainingStep(trainer.Trainable, _optimizer, _options.MaxGradNorm);
        _schedule = _options.NewSchedule(trainer.TotalSteps);
        (_elapsedBefore, _firstStep) = (_state.Elapsed, _state.Step);
        _step.Backend.Memory.ResetPeak();
    }

    /// <summary>The directory of the run that is resumed; null for a new one.</summary>
    private string? ResumedRun => _options.ResumeFrom is { } checkpoint
        ? Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(checkpoint))) : null;

    /// <summary>Whether this run takes the place of what the resumed one did after its checkpoint, rather than leave it and write
    /// elsewhere.</summary>
    private bool GoesOnInPlace => ResumedRun is { } before && _options.OutputDirectory is { } output
        && before == Path.TrimEndingDirectorySeparator(Path.GetFullPath(output));

    private bool Finished => _state.StoppedEarly || _state.Step >= _trainer.TotalSteps;

    public TrainingResult ToEnd(CancellationToken cancel)
    {
        while (_state.EvaluationDue || !Finished)
        {
            if (!_state.EvaluationDue)
            {
                TakeStep();
                _state.EvaluationDue = IsEvaluationStep();
            }
            bool best = _state.EvaluationDue && TryEvaluate(cancel) && _state.BestStep == _state.Step;
            bool interrupted = cancel.IsCancellationRequested && (_state.EvaluationDue || !Finished);
            if (interrupted || IsCheckpointStep(best))
            {
                Save();
            }
            if (interrupted)
            {
                return Result(interrupted);
            }
        }
        Finish();
        return Result(interrupted: false);
    }

    public void Dispose()
    {
        _log?.Dispose();
        _step.Dispose();
        _optimizer.Dispose();
        _place?.Dispose();
    }

    private TrainerState Begin()
    {
        var fresh = new TrainerState
        {
            Seed = _options.Seed,
            DataFingerprint = _trainer.Train.Fingerprint,
            GradientAccumulationSteps = _options.GradientAccumulationSteps,
        };
        if (_options.ResumeFrom is not { } checkpoint)
        {
            return fresh;
        }
        var state = Checkpoint.ReadState(checkpoint);
        state.CheckGoesOn(checkpoint, fresh);
        return state;
    }

    private void TakeStep()
    {
        double start = _clock.Elapsed.TotalSeconds;
        double rate = _schedule.At(_state.Step);
        var batches = Draw();
        var result = _step.Run(batches, rate, _state.Step, _state.Passes);
        double seconds = _clock.Elapsed.TotalSeconds - start;
        _state.Step++;
        _state.Passes += (ulong)batches.Count;
        _state.Position = _trainer.Train.Position;
        _state.LossSum += result.Loss;
        _state.UnloggedLossSum += result.Loss;
        _state.UnloggedSteps++;
        _state.Tokens += result.Tokens;
        _state.StepSeconds += seconds;
        _sinceLog = (_sinceLog.Tokens + result.Tokens, _sinceLog.Seconds + seconds);
        Tick();
        if (_state.Step % _options.LoggingSteps == 0 || _state.Step == _trainer.TotalSteps)
        {
            Log(rate, result.GradientNorm);
        }
        int done = _state.Step - _firstStep;
        var left = TimeSpan.FromSeconds(_clock.Elapsed.TotalSeconds / done * (_trainer.TotalSteps - _state.Step));
        _trainer.Tell(new TrainingProgress(_state.Step, _trainer.TotalSteps, Epoch(), result.Loss, rate, result.GradientNorm,
            result.Tokens / seconds,
            _state.PeakBytes, TimeSpan.FromSeconds(_state.Elapsed), left));
    }

    /// <summary>The batches of one step; a step never reaches into the next epoch.</summary>
    private List<Batch> Draw()
    {
        var loader = _trainer.Train;
        foreach (var done in _batches)
        {
            loader.Return(done);
        }
        _batches.Clear();
        int epoch = loader.Position.Epoch;
        do
        {
            _batches.Add(loader.Next());
        }
        while (_batches.Count < _options.GradientAccumulationSteps && loader.Position.Epoch == epoch);
        return _batches;
    }

    private void Log(double rate, double norm)
    {
        _log?.Write(("step", _state.Step), ("epoch", Epoch()), ("loss", _state.UnloggedLossSum / _state.UnloggedSteps),
            ("learning_rate", rate),
            ("grad_norm", norm), ("tok_s", _sinceLog.Tokens / _sinceLog.Seconds), ("peak_bytes", _state.PeakBytes),
            ("elapsed", _state.Elapsed));
        (_state.UnloggedLossSum, _state.UnloggedSteps, _sinceLog) = (0, 0, default);
    }

    private bool IsEvaluationStep() => _trainer.Evaluation is not null
        && (_state.Step == _trainer.TotalSteps || (_options.EvalSteps > 0 && _state.Step % _options.EvalSteps == 0));

    private bool IsCheckpointStep(bool best) => _keeper is not null
        && ((_options.SaveSteps > 0 && (_state.Step % _options.SaveSteps == 0 || Finished))
            || (best && (_options.LoadBestModelAtEnd || _options.SaveSteps > 0)));

    /// <summary>Evaluates; false, with the evaluation still due, if it was stopped.</summary>
    private bool TryEvaluate(CancellationToken cancel)
    {
        EvaluationResult result;
        try
        {
            result = Evaluation.Run(_trainer.Trainable.Model, _trainer.Evaluation!.Epoch(), cancel);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        if (!double.IsFinite(result.Loss))
        {
            throw new TrainingDivergedException(_state.Step, result.Loss);
        }
        bool first = _state.BestStep == 0;
        bool gained = first || result.Loss < _state.BestLoss - _options.EarlyStoppingThreshold;
        _state.EvaluationsWithoutGain = gained ? 0 : _state.EvaluationsWithoutGain + 1;
        bool best = first || result.Loss < _state.BestLoss;
        if (best)
        {
            (_state.BestStep, _state.BestLoss) = (_state.Step, result.Loss);
        }
        _state.StoppedEarly = _options.EarlyStoppingPatience > 0 && _state.EvaluationsWithoutGain >= _options.EarlyStoppingPatience;
        (_state.LastEvalLoss, _state.EvaluationDue) = (result.Loss, false);
        Tick();
        _log?.Write(("step", _state.Step), ("epoch", Epoch()), ("eval_loss", result.Loss), ("eval_perplexity", result.Perplexity),
            ("elapsed", _state.Elapsed));
        _trainer.Tell(new TrainingEvaluation(_state.Step, result, best));
        return true;
    }

    private void Save()
    {
        if (_keeper is null)
        {
            return;
        }
        Tick();
        _log!.Flush();
        _state.LogLength = _log.Length;
        _trainer.Tell(_keeper.Save(_trainer.Trainable, _optimizer, _state));
    }

    private void Finish()
    {
        if (_options.LoadBestModelAtEnd && _state.BestStep != _state.Step)
        {
            string best = Checkpoint.PathOf(_options.OutputDirectory!, _state.BestStep);
            _trainer.Trainable.Load(ResumedRun is { } before && !Directory.Exists(best) ? Checkpoint.PathOf(before, _state.BestStep)
                : best);
        }
        if (_options.OutputDirectory is { } output)
        {
            _log!.Flush();
            _trainer.Fault?.Invoke("result");
            _trainer.Trainable.Save(output);
        }
    }

    private double Epoch()
    {
        var position = _state.Position;
        return position.Epoch + (double)position.Batch / _trainer.Train.BatchesPerEpoch;
    }

    private void Tick()
    {
        _state.Elapsed = _elapsedBefore + _clock.Elapsed.TotalSeconds;
        _state.PeakBytes = Math.Max(_state.PeakBytes, _step.Backend.Memory.PeakBytes);
    }

    private TrainingResult Result(bool interrupted)
    {
        Tick();
        double? evalLoss = _state.BestStep == 0 ? null : _options.LoadBestModelAtEnd && !interrupted ? _state.BestLoss
            : _state.LastEvalLoss;
        return new TrainingResult(_state.Step, _state.LossSum / Math.Max(1, _state.Step), evalLoss,
            _state.Tokens / Math.Max(1e-9, _state.StepSeconds),
            _state.PeakBytes, TimeSpan.FromSeconds(_state.Elapsed), interrupted, _state.StoppedEarly, _state.BestStep, _keeper?.LastSaved);
    }
}
