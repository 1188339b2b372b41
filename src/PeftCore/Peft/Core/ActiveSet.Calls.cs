using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;

namespace PeftCore.Peft;

/// <summary>The adapters of calls. A call that names adapters has them in an <see cref="AsyncLocal{T}"/>, never in a field that threads
/// share, and every hook reads them there. A forward pass holds the lock shared, a change of the adapters holds it alone, so that no pass
/// sees half of a change. Calls whose parameters differ from those of other calls, because an adapter replaces some of the base's or is
/// merged into them, hold it alone too.</summary>
internal sealed partial class ActiveSet
{
    private readonly FairLock _lock = new();
    private readonly AsyncLocal<AdapterCall?> _call = new();
    private AdapterCall? _alone; // The call whose parameters are in the model, if it holds the lock alone.
    private ParameterSwap[] _swapsOfAlone = [];

    /// <summary>Finds an attached adapter by its name.</summary>
    public required Func<string, Adapter> Find { get; init; }

    /// <summary>The adapters of the rows of a mixed batch; null if all rows use <see cref="Applied"/>.</summary>
    public MixedRows? Rows => Call?.Rows;

    /// <summary>The task of each row, or one task for all, for adapters of several tasks; null for task 0.</summary>
    public IReadOnlyList<int>? Tasks => Call?.Tasks;

    /// <summary>The call that this code belongs to; null for none.</summary>
    private AdapterCall? Call => _call.Value;

    /// <summary>Begins a change of the adapters: waits for the passes that run.</summary>
    /// <exception cref="InvalidOperationException">This code is part of a pass.</exception>
    public FairLock.Hold BeginChange()
    {
        var hold = _lock.EnterExclusive("the adapters of a model cannot be changed from inside a call that runs with them: change them " +
            "before or after it");
        Version++;
        return hold;
    }

    /// <summary>A number that changes with every change of the adapters.</summary>
    public int Version { get; private set; }

    /// <inheritdoc/>
    public T Run<T>(string? adapter, Func<T> body) =>
        adapter is null ? Call is { IsDefault: false } ? body() : RunDefault(body)
        : With(adapter == PeftModel.NoAdapter ? [] : Find(adapter).Alone, body);

    /// <inheritdoc/>
    public PassHold BeginPass()
    {
        var call = Call;
        if (call is not null && call == _alone)
        {
            return default;
        }
        var hold = _lock.EnterShared();
        if (call is null or { IsDefault: true })
        {
            return new PassHold(hold, default);
        }
        try
        {
            call.Check();
        }
        catch
        {
            hold.Dispose();
            throw;
        }
        if (!NeedsAlone(call))
        {
            return new PassHold(hold, default);
        }
        hold.Dispose();
        var alone = BeginChange();
        try
        {
            return new PassHold(alone, default, BeginAlone(call));
        }
        catch
        {
            alone.Dispose();
            throw;
        }
    }

    /// <summary>Runs a call with the adapters of these names; calls can be nested, and the innermost counts.</summary>
    /// <exception cref="BadInputException">More than one of them replaces base parameters.</exception>
    public T With<T>(Adapter[] adapters, Func<T> body)
    {
        CheckTogether(adapters);
        using (_lock.EnterShared())
        {
            if (ReplacesParameters && !_disabled && !IsInsideAlone && adapters.SequenceEqual(Active))
            {
                return With(new AdapterCall { IsDefault = true, Tasks = Tasks }, body); // The parameters in the model are its own.
            }
        }
        return With(new AdapterCall { Applied = adapters, Tasks = Tasks }, body);
    }

    /// <summary>Runs a call with all adapters disabled.</summary>
    public T WithoutAdapters<T>(Func<T> body) => With(new AdapterCall { Tasks = Tasks }, body);

    /// <summary>Runs a call on a mixed batch; calls can be nested.</summary>
    /// <param name="rows">The adapter of each row.</param>
    /// <param name="checkpointing">Whether gradient checkpointing is on: backward recomputes layers after this call has ended, when its
    /// rows are no longer set.</param>
    /// <param name="body">What to run.</param>
    public T WithRows<T>(MixedRows rows, bool checkpointing, Func<T> body)
    {
        if (_merged.Count > 0)
        {
            throw new BadInputException("a mixed batch needs the base as it was: unmerge the adapters first");
        }
        if (checkpointing && Tape.IsRecording)
        {
            throw new BadInputException(
                "a mixed batch cannot train with gradient checkpointing: backward runs the layers again when the names of the rows are " +
                "gone; turn it off");
        }
        return With(new AdapterCall { Rows = rows, Tasks = Tasks }, body);
    }

    /// <summary>Runs a call with the task of each row set; calls can be nested.</summary>
    public T WithTasks<T>(IReadOnlyList<int> tasks, Func<T> body) =>
        With((Call ?? new AdapterCall { IsDefault = true }).With(tasks), body);

    /// <summary>Runs a call with the active adapters as they are now. Where these are all that differs from the base, they become those of
    /// the call; otherwise no change of the adapters comes in before it has ended.</summary>
    private T RunDefault<T>(Func<T> body)
    {
        AdapterCall call;
        using (_lock.EnterShared())
        {
            call = new AdapterCall { Applied = _applied, Tasks = Tasks, IsDefault = ReplacesParameters };
            if (call.IsDefault)
            {
                return With(call, body);
            }
        }
        return With(call, body);
    }

    private T With<T>(AdapterCall call, Func<T> body)
    {
        var outer = _call.Value;
        _call.Value = call;
        try
        {
            if (call.IsDefault || call == _alone || !NeedsAlone(call))
            {
                return body();
            }
            using var alone = BeginChange();
            var end = BeginAlone(call);
            try
            {
                return body();
            }
            finally
            {
                end();
            }
        }
        finally
        {
            _call.Value = outer;
        }
    }

    /// <summary>Whether parameters of the base are replaced now.</summary>
    private bool ReplacesParameters => _merged.Count > 0 || (!_disabled && Array.Exists(Active, adapter => adapter.Swaps.Count > 0));

    /// <summary>Whether the call needs other parameters than those of calls that name no adapter.</summary>
    private bool NeedsAlone(AdapterCall call) =>
        ReplacesParameters || IsInsideAlone || Array.Exists(call.Applied, adapter => adapter.Swaps.Count > 0);

    /// <summary>Whether this thread runs a call that holds the lock alone.</summary>
    private bool IsInsideAlone => _alone is not null && _lock.HeldHere() == true;

    /// <summary>Replaces the parameters by those of one call. The thread holds the lock alone.</summary>
    /// <returns>Restores what was.</returns>
    private Action BeginAlone(AdapterCall call)
    {
        var (outer, outerSwaps) = (_alone, _swapsOfAlone);
        if (outer is null)
        {
            Unapply();
        }
        TakeOff(outerSwaps);
        (_alone, _swapsOfAlone) = (call, [.. call.Applied.SelectMany(adapter => adapter.Swaps)]);
        Array.ForEach(_swapsOfAlone, swap => swap.Activate());
        return () =>
        {
            TakeOff(_swapsOfAlone);
            (_alone, _swapsOfAlone) = (outer, outerSwaps);
            Array.ForEach(outerSwaps, swap => swap.Activate());
            if (outer is null)
            {
                Apply();
            }
        };

        static void TakeOff(ParameterSwap[] swaps)
        {
            foreach (var swap in swaps.Reverse())
            {
                swap.Deactivate();
            }
        }
    }

    private static void CheckTogether(Adapter[] adapters)
    {
        if (adapters.Count(adapter => adapter.Swaps.Count > 0) > 1)
        {
            throw new BadInputException($"adapters {string.Join(", ", adapters.Select(adapter => adapter.Name))} cannot be active " +
                "together: more than one of them replaces parameters of the base");
        }
    }
}
