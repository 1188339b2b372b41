using PeftCore.Training;

namespace PeftCore.Extensions.AI;

/// <summary>Where a job stands.</summary>
public enum AdapterTrainingState
{
    /// <summary>It waits for earlier jobs.</summary>
    Queued,

    /// <summary>It trains.</summary>
    Running,

    /// <summary>It is trained, saved, and serves if the request says so.</summary>
    Completed,

    /// <summary>It was cancelled, or the host stopped.</summary>
    Cancelled,

    /// <summary>It ended with an error, which awaiting <see cref="AdapterTrainingJob.Completion"/> throws.</summary>
    Failed,
}

/// <summary>A training request in the queue or in work.</summary>
public sealed class AdapterTrainingJob
{
    private readonly TaskCompletionSource<TrainingResult> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _cancel = new();
    private readonly Lock _lock = new();
    private TrainingProgress? _progress;

    internal AdapterTrainingJob(AdapterTrainingRequest request) => Request = request;

    /// <summary>The request.</summary>
    public AdapterTrainingRequest Request { get; }

    /// <summary>Where it stands.</summary>
    public AdapterTrainingState State { get; private set; }

    /// <summary>The last step; null before the first.</summary>
    public TrainingProgress? Progress
    {
        get
        {
            lock (_lock)
            {
                return _progress;
            }
        }
    }

    /// <summary>The adapter's directory once it is trained; null before.</summary>
    public string? Directory { get; private set; }

    /// <summary>Ends when the adapter is trained and serves; throws what went wrong, or an <see
    /// cref="OperationCanceledException"/>.</summary>
    public Task<TrainingResult> Completion => _completion.Task;

    /// <summary>Ends the job after the current step, or before it begins. What was trained until then does not serve.</summary>
    public void Cancel() => _cancel.Cancel();

    /// <summary>Cancelled by <see cref="Cancel"/>.</summary>
    internal CancellationToken Cancelled => _cancel.Token;

    internal void Start() => State = AdapterTrainingState.Running;

    internal void Report(TrainingProgress progress)
    {
        lock (_lock)
        {
            _progress = progress;
        }
        Request.Progress?.Report(progress);
    }

    internal void Complete(TrainingResult result, string directory)
    {
        (State, Directory) = (AdapterTrainingState.Completed, directory);
        _completion.TrySetResult(result);
    }

    internal void EndCancelled()
    {
        State = AdapterTrainingState.Cancelled;
        _completion.TrySetCanceled();
    }

    internal void Fail(Exception exception)
    {
        State = AdapterTrainingState.Failed;
        _completion.TrySetException(exception);
    }
}
