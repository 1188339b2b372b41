namespace PeftCore.Backends;

/// <summary>A readers-writer lock that admits threads in the order in which they came: any number of shared holders, or one exclusive one.
/// No thread waits for those that came after it, so that a change of a model is not put off by a stream of calls, nor a call by a stream of
/// changes. A thread that holds the lock may enter it again.</summary>
internal sealed class FairLock
{
    // The locks that this thread holds, each once.
    [ThreadStatic]
    private static List<(FairLock Lock, bool Exclusive)>? _held;

    private readonly object _gate = new();
    private readonly Queue<Waiter> _waiting = [];
    private int _shared;
    private bool _exclusive;

    /// <summary>Threads that wait.</summary>
    public int WaitingCount
    {
        get
        {
            lock (_gate)
            {
                return _waiting.Count;
            }
        }
    }

    /// <summary>Enters together with other shared holders; does nothing if the thread holds the lock.</summary>
    public Hold EnterShared()
    {
        if (HeldHere() is not null)
        {
            return default;
        }
        Enter(exclusive: false);
        return new Hold(this, exclusive: false);
    }

    /// <summary>Enters alone; does nothing if the thread holds the lock exclusively.</summary>
    /// <param name="problem">The message if the thread holds the lock shared, for which it would wait forever.</param>
    /// <exception cref="InvalidOperationException">The thread holds the lock shared.</exception>
    public Hold EnterExclusive(string problem = "")
    {
        switch (HeldHere())
        {
            case true:
                return default;
            case false:
                throw new InvalidOperationException(problem);
        }
        Enter(exclusive: true);
        return new Hold(this, exclusive: true);
    }

    /// <summary>Whether this thread holds the lock exclusively (true), shared (false), or not at all (null).</summary>
    public bool? HeldHere()
    {
        foreach (var (held, exclusive) in _held ?? [])
        {
            if (held == this)
            {
                return exclusive;
            }
        }
        return null;
    }

    private void Enter(bool exclusive)
    {
        Waiter? waiter = null;
        lock (_gate)
        {
            if (_waiting.Count == 0 && CanEnter(exclusive))
            {
                Admit(exclusive);
            }
            else
            {
                _waiting.Enqueue(waiter = new Waiter(exclusive));
            }
        }
        waiter?.Wait();
        (_held ??= []).Add((this, exclusive));
    }

    private void Exit(bool exclusive)
    {
        _held!.Remove((this, exclusive));
        lock (_gate)
        {
            _shared -= exclusive ? 0 : 1;
            _exclusive &= !exclusive;
            while (_waiting.TryPeek(out var next) && CanEnter(next.Exclusive))
            {
                Admit(_waiting.Dequeue().Exclusive);
                next.Admit();
            }
        }
    }

    private bool CanEnter(bool exclusive) => !_exclusive && (!exclusive || _shared == 0);

    private void Admit(bool exclusive)
    {
        _shared += exclusive ? 0 : 1;
        _exclusive |= exclusive;
    }

    /// <summary>A holder of a lock; disposing it once leaves the lock, on the thread that entered. The default value holds none.</summary>
    public readonly struct Hold : IDisposable
    {
        private readonly FairLock? _lock;
        private readonly bool _exclusive;

        internal Hold(FairLock held, bool exclusive) => (_lock, _exclusive) = (held, exclusive);

        public void Dispose() => _lock?.Exit(_exclusive);
    }

    /// <summary>A thread that waits.</summary>
    private sealed class Waiter(bool exclusive)
    {
        private bool _admitted;

        public bool Exclusive => exclusive;

        public void Wait()
        {
            lock (this)
            {
                while (!_admitted)
                {
                    Monitor.Wait(this);
                }
            }
        }

        public void Admit()
        {
            lock (this)
            {
                _admitted = true;
                Monitor.Pulse(this);
            }
        }
    }
}
