namespace PeftCore.Extensions.AI;

/// <summary>Counts the computations that read a model, so that it is freed after the last of them.</summary>
/// <param name="owner">The type that an exception names.</param>
internal sealed class ComputeGate(Type owner)
{
    private readonly object _lock = new();
    private int _inside;
    private bool _isClosed;

    /// <summary>Begins a computation, which ends when the result is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The gate is closed.</exception>
    public IDisposable Enter()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isClosed, owner);
            _inside++;
            return new Computation(this);
        }
    }

    /// <summary>Lets no more computations begin, and waits for those under way.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            while (_inside > 0)
            {
                Monitor.Wait(_lock);
            }
        }
    }

    private void Leave()
    {
        lock (_lock)
        {
            _inside--;
            Monitor.PulseAll(_lock);
        }
    }

    private sealed class Computation(ComputeGate gate) : IDisposable
    {
        private ComputeGate? _gate = gate;

        public void Dispose() => Interlocked.Exchange(ref _gate, null)?.Leave();
    }
}
