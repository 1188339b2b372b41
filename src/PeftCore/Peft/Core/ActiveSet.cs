using PeftCore.Autograd;
using PeftCore.Nn;
using PeftCore.Peft.Lora;

namespace PeftCore.Peft;

/// <summary>The adapters that run in a forward pass. All hooks of a model hold this set and read it at each call.
/// <list type="bullet">
/// <item>Active: chosen by the user; their parameters train.</item>
/// <item>Merged: active, and their update is part of the base's weights.</item>
/// <item>Applied: active, not merged, not disabled. Only their layers run. <see cref="Applied"/> is a new array after each change, so that
/// a hook notices a change by comparing one reference.</item>
/// </list>
/// The set also swaps parameters: those that an adapter trains in place of the base's own, and merged weights, belong to the base only
/// while their adapter is active and enabled.</summary>
internal sealed class ActiveSet
{
    private readonly OrderedDictionary<Adapter, IReadOnlyList<ParameterSwap>> _merged = [];
    private bool _disabled;

    /// <summary>The active adapters in the order they were named in.</summary>
    public Adapter[] Active { get; private set; } = [];

    /// <summary>Names of the active adapters.</summary>
    public string[] Names { get; private set; } = [];

    /// <summary>The adapters whose layers run: the active ones that are not merged; none while disabled and during a mixed batch.</summary>
    public Adapter[] Applied { get; private set; } = [];

    /// <summary>The merged adapters, the earliest first.</summary>
    public IReadOnlyList<Adapter> Merged => _merged.Keys;

    /// <summary>The rows of a mixed batch with an adapter each; null if all rows use <see cref="Applied"/>.</summary>
    public MixedRows? Rows { get; private set; }

    /// <summary>The task of each row, or one task for all, for adapters of several tasks; null for task 0.</summary>
    public IReadOnlyList<int>? Tasks { get; set; }

    /// <summary>Collects the inputs of layers while an initialisation looks at data; null otherwise.</summary>
    public InputStatistics? Observer { get; set; }

    /// <summary>Makes these adapters the active ones. Merged adapters are unmerged.</summary>
    /// <exception cref="BadInputException">More than one of them replaces base parameters.</exception>
    public void Activate(params Adapter[] adapters)
    {
        if (adapters.Count(adapter => adapter.Swaps.Count > 0) > 1)
        {
            throw new BadInputException($"adapters {string.Join(", ", adapters.Select(adapter => adapter.Name))} cannot be active " +
                "together: more than one of them replaces parameters of the base");
        }
        RemoveMerged();
        Unapply();
        Active.Except(adapters).ToList().ForEach(adapter => adapter.Deactivate());
        adapters.Except(Active).ToList().ForEach(adapter => adapter.Activate());
        Choose(adapters);
        Apply();
    }

    /// <summary>Takes an adapter out of the active ones. It must not be merged.</summary>
    public void Remove(Adapter adapter)
    {
        Unapply();
        Choose([.. Active.Where(other => other != adapter)]);
        Apply();
    }

    /// <summary>Turns all adapters on or off, the merged ones too.</summary>
    /// <returns>Whether they were off before.</returns>
    public bool SetDisabled(bool disabled)
    {
        bool before = _disabled;
        Unapply();
        _disabled = disabled;
        Apply();
        return before;
    }

    /// <summary>Runs code while all adapters are off.</summary>
    public T WithoutAdapters<T>(Func<T> body)
    {
        bool before = SetDisabled(true);
        try
        {
            return body();
        }
        finally
        {
            if (!before)
            {
                SetDisabled(false);
            }
        }
    }

    /// <summary>Runs code while the base has its own parameters, without those of any adapter.</summary>
    public T OnPlainBase<T>(Func<T> body)
    {
        Unapply();
        try
        {
            return body();
        }
        finally
        {
            Apply();
        }
    }

    /// <inheritdoc cref="OnPlainBase{T}(Func{T})"/>
    public void OnPlainBase(Action body) => OnPlainBase(() =>
    {
        body();
        return true;
    });

    /// <summary>Runs code on a mixed batch; calls can be nested.</summary>
    /// <param name="rows">The adapter of each row.</param>
    /// <param name="checkpointing">Whether the backward pass runs layers again. That happens after the call, without its rows.</param>
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
        var before = Rows;
        return OnPlainBase(() =>
        {
            Rows = rows;
            try
            {
                return body();
            }
            finally
            {
                Rows = before;
            }
        });
    }

    /// <summary>Runs code on a batch whose rows belong to these tasks; calls can be nested.</summary>
    public T WithTasks<T>(IReadOnlyList<int> tasks, Func<T> body)
    {
        var before = Tasks;
        Tasks = tasks;
        try
        {
            return body();
        }
        finally
        {
            Tasks = before;
        }
    }

    /// <summary>Whether an adapter's update is part of the base's weights.</summary>
    public bool IsMerged(Adapter adapter) => _merged.ContainsKey(adapter);

    /// <summary>The base's own parameter if a merge has replaced it; null otherwise.</summary>
    public Parameter? MergedFrom(Module module, string name) =>
        _merged.Values.SelectMany(swaps => swaps).FirstOrDefault(swap => swap.Replaces(module, name))?.Original;

    /// <summary>Notes that an adapter is merged. Its layers run no more.</summary>
    /// <param name="adapter">An active adapter.</param>
    /// <param name="weights">The merged weights in the place of the base's own; freed when the adapter is unmerged.</param>
    public void AddMerged(Adapter adapter, IReadOnlyList<ParameterSwap> weights)
    {
        _merged.Add(adapter, weights);
        Resolve();
    }

    /// <summary>Takes merged weights out, frees them, and lets the adapter's layers run again. No adapter merged later may be
    /// left.</summary>
    public void RemoveMerged(Adapter adapter)
    {
        foreach (var swap in _merged[adapter].Reverse())
        {
            swap.Deactivate();
            swap.Value.Dispose();
        }
        _merged.Remove(adapter);
        Resolve();
    }

    /// <summary>Unmerges all adapters, the latest first.</summary>
    public void RemoveMerged()
    {
        while (_merged.Count > 0)
        {
            RemoveMerged(_merged.GetAt(_merged.Count - 1).Key);
        }
    }

    private void Choose(Adapter[] adapters) => (Active, Names) = (adapters, Array.ConvertAll(adapters, adapter => adapter.Name));

    private void Resolve() => Applied = _disabled ? [] : [.. Active.Where(adapter => !_merged.ContainsKey(adapter))];

    private void Apply()
    {
        Resolve();
        if (!_disabled)
        {
            // A merged weight replaces the base's own, or the copy of a module trained whole: hence after those.
            Active.SelectMany(adapter => adapter.Swaps).Concat(_merged.Values.SelectMany(swaps => swaps)).ToList()
                .ForEach(swap => swap.Activate());
        }
    }

    private void Unapply()
    {
        foreach (var swap in Active.SelectMany(adapter => adapter.Swaps).Concat(_merged.Values.SelectMany(swaps => swaps)).Reverse())
        {
            swap.Deactivate();
        }
        Applied = [];
    }
}
