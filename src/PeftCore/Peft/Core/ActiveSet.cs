using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Peft.Lora;

namespace PeftCore.Peft;

/// <summary>The adapters that run in a forward pass. All hooks of a model hold this set and read it at each call.
/// <list type="bullet">
/// <item>Active: chosen by the user; their parameters train.</item>
/// <item>Merged: active, and their update is added to the base's weights.</item>
/// <item>Applied: active, not merged, not disabled. Only their layers run. <see cref="Applied"/> is a new array after each change, so that
/// a hook detects a change by comparing one reference.</item>
/// </list>
/// A call may name other adapters (ActiveSet.Calls.cs); the active ones are the default of calls that name none. The set also swaps
/// parameters: trained copies and merged weights replace the base's parameters only while their adapter is active and enabled.</summary>
internal sealed partial class ActiveSet : ICallAdapters
{
    private readonly OrderedDictionary<Adapter, IReadOnlyList<ParameterSwap>> _merged = [];
    private Adapter[] _applied = [];
    private bool _disabled;

    /// <summary>The active adapters, in the order in which they were activated.</summary>
    public Adapter[] Active { get; private set; } = [];

    /// <summary>Names of the active adapters.</summary>
    public string[] Names { get; private set; } = [];

    /// <summary>The adapters whose layers run: those of the call, or the active ones that are not merged; none while disabled and during a
    /// mixed batch.</summary>
    public Adapter[] Applied => Call is { IsDefault: false } call ? call.Applied : _applied;

    /// <summary>The merged adapters, the earliest first.</summary>
    public IReadOnlyList<Adapter> Merged => _merged.Keys;

    /// <summary>Collects the inputs of layers for an initialisation from data; null otherwise.</summary>
    public InputStatistics? Observer { get; set; }

    /// <summary>Makes these adapters the active ones. Merged adapters are unmerged.</summary>
    /// <exception cref="BadInputException">More than one of them replaces base parameters.</exception>
    public void Activate(params Adapter[] adapters)
    {
        CheckTogether(adapters);
        RemoveMerged();
        Unapply();
        Active.Except(adapters).ToList().ForEach(adapter => adapter.Deactivate());
        adapters.Except(Active).ToList().ForEach(adapter => adapter.Activate());
        Choose(adapters);
        Apply();
    }

    /// <summary>Deactivates an adapter, which must not be merged.</summary>
    public void Remove(Adapter adapter)
    {
        Unapply();
        Choose([.. Active.Where(other => other != adapter)]);
        Apply();
    }

    /// <summary>Enables or disables all adapters, including the merged ones.</summary>
    /// <returns>Whether they were disabled before.</returns>
    public bool SetDisabled(bool disabled)
    {
        bool before = _disabled;
        Unapply();
        _disabled = disabled;
        Apply();
        return before;
    }

    /// <summary>Runs code with the base's original parameters, without those of any adapter.</summary>
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

    /// <summary>Whether an adapter's update is part of the base's weights.</summary>
    public bool IsMerged(Adapter adapter) => _merged.ContainsKey(adapter);

    /// <summary>The base's original parameter if a merge has replaced it; null otherwise.</summary>
    public Parameter? MergedFrom(Module module, string name) =>
        _merged.Values.SelectMany(swaps => swaps).FirstOrDefault(swap => swap.Replaces(module, name))?.Original;

    /// <summary>Marks an adapter as merged. Its layers no longer run.</summary>
    /// <param name="adapter">An active adapter.</param>
    /// <param name="weights">The merged weights that replace the base's; freed when the adapter is unmerged.</param>
    public void AddMerged(Adapter adapter, IReadOnlyList<ParameterSwap> weights)
    {
        _merged.Add(adapter, weights);
        Resolve();
    }

    /// <summary>Restores the weights from before the merge, frees the merged ones, and makes the adapter's layers run again. Adapters
    /// merged later must be unmerged first.</summary>
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

    private void Resolve() => _applied = _disabled ? [] : [.. Active.Where(adapter => !_merged.ContainsKey(adapter))];

    private void Apply()
    {
        Resolve();
        if (!_disabled)
        {
            // A merged weight replaces the base's weight or a trained copy of it, so it is swapped in after the copies.
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
        _applied = [];
    }
}
