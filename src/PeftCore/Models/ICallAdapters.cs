using PeftCore.Backends;

namespace PeftCore.Models;

/// <summary>The adapters that calls on a model run with.</summary>
internal interface ICallAdapters
{
    /// <summary>Runs a call with one adapter. The choice flows with the call, over await and into tasks that it starts.</summary>
    /// <param name="adapter">The adapter's name, or that of no adapter; null for those of the enclosing call, else for the active ones as
    /// they are now.</param>
    /// <param name="body">The call.</param>
    /// <exception cref="BadInputException">The name is unknown.</exception>
    T Run<T>(string? adapter, Func<T> body);

    /// <summary>Begins a forward pass, during which no adapter is attached, detached or merged. Passes of a thread can be nested.</summary>
    PassHold BeginPass();
}

/// <summary>What a forward pass holds while it runs.</summary>
/// <param name="model">The lock of the model's adapters.</param>
/// <param name="device">The lock of a device that runs one pass at a time.</param>
/// <param name="end">Called at the end; null for nothing.</param>
internal readonly struct PassHold(FairLock.Hold model, FairLock.Hold device, Action? end = null) : IDisposable
{
    /// <summary>These holds and that of a device.</summary>
    public PassHold With(FairLock.Hold pass) => new(model, pass, end);

    public void Dispose()
    {
        device.Dispose();
        try
        {
            end?.Invoke();
        }
        finally
        {
            model.Dispose(); // Whatever the end throws, because others wait for this lock.
        }
    }
}
