using PeftCore.Peft;

namespace PeftCore.Models.Generation;

/// <summary>A request of a <see cref="ContinuousBatcher"/>: waits, runs as one row of the batch, and ends once.</summary>
internal sealed class BatchRequest(TextRequest text, Adapter? adapter, int length, CancellationToken cancel) : IDisposable
{
    // Continuations of the caller do not run on the thread of the batch.
    private readonly TaskCompletionSource<GenerationResult> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenRegistration _registration;

    public TextRequest Text => text;

    /// <summary>The adapter of the row; null for none.</summary>
    public Adapter? Adapter => adapter;

    /// <summary>Maximum tokens of the row, without virtual ones.</summary>
    public int Length => length;

    public SamplingSearch Search => field ??= new SamplingSearch(text);

    public Task<GenerationResult> Task => _completion.Task;

    public bool IsCancelled => cancel.IsCancellationRequested;

    /// <summary>Why the request cannot go on; null if it can.</summary>
    public Exception? Problem => adapter is { IsDetached: true }
        ? new BadInputException($"adapter \"{adapter.Name}\" was deleted while a text was generated with it; delete it after the requests " +
            "that name it")
        : null;

    /// <summary>Wakes the batch when the request is cancelled.</summary>
    public void WakeOnCancel(Action wake) => _registration = cancel.UnsafeRegister(static wake => ((Action)wake!)(), wake);

    /// <summary>Chooses a token.</summary>
    /// <param name="logits">(vocabulary), overwritten.</param>
    /// <returns>Whether the text goes on.</returns>
    public bool Advance(Span<float> logits)
    {
        DamagedOutput.Check(logits);
        Search.Advance(logits);
        if (!Search.HasEnded)
        {
            return true;
        }
        Dispose();
        _completion.TrySetResult(Search.Finish());
        return false;
    }

    public void Cancel()
    {
        Dispose();
        _completion.TrySetCanceled(cancel);
    }

    public void Fail(Exception reason)
    {
        Dispose();
        _completion.TrySetException(reason);
    }

    public void Dispose() => _registration.Dispose();
}
