using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Merges adapters reversibly into copies of the base's weights, permanently into the base, or several adapters into a new
/// one.</summary>
internal sealed class Merger(TransformerModel model, AdapterRegistry registry, ActiveSet set)
{
    /// <summary>Merges each active adapter that is not merged, into copies of the weights it changes.</summary>
    /// <param name="safe">Throw, and change nothing, if a merged weight is not finite.</param>
    public void Merge(bool safe)
    {
        bool disabled = set.SetDisabled(false);
        var done = new List<Adapter>();
        try
        {
            foreach (var adapter in set.Applied)
            {
                Merge(adapter, safe);
                done.Add(adapter);
            }
        }
        catch
        {
            done.AsEnumerable().Reverse().ToList().ForEach(set.RemoveMerged);
            throw;
        }
        finally
        {
            Restore(disabled);
        }
    }

    /// <summary>Unmerges one adapter. Adapters merged later are based on its weights, so they are unmerged first and merged again
    /// afterwards.</summary>
    /// <returns>Whether it was merged.</returns>
    public bool Unmerge(Adapter adapter)
    {
        if (!set.IsMerged(adapter))
        {
            return false;
        }
        bool disabled = set.SetDisabled(false);
        List<Adapter> later = [.. set.Merged.SkipWhile(other => other != adapter)];
        later.AsEnumerable().Reverse().ToList().ForEach(set.RemoveMerged);
        later.Skip(1).ToList().ForEach(other => Merge(other, safe: false));
        Restore(disabled);
        return true;
    }

    /// <summary>Runs code with no adapter merged, and merges the active ones again if any was merged.</summary>
    public T WhileUnmerged<T>(Func<T> body)
    {
        bool merged = set.Merged.Count > 0;
        set.RemoveMerged();
        try
        {
            return body();
        }
        finally
        {
            if (merged)
            {
                Merge(safe: false);
            }
        }
    }

    /// <summary>Merges the active adapters into the base's own parameters. They remain attached, but no longer fit the changed
    /// base.</summary>
    /// <param name="safe">Throw, and change nothing, if a merged weight is not finite.</param>
    /// <param name="keepTies">Change a tied weight in both modules if it changes in one.</param>
    /// <param name="warnings">Receives a sentence about quantised weights; null to ignore it.</param>
    /// <exception cref="BadInputException">Weights of the base are kept off the device.</exception>
    public void MergeForGood(bool safe, bool keepTies, ICollection<string>? warnings)
    {
        if (model.NamedParameters().Any(p => p.Parameter.IsReadOnly))
        {
            throw new BadInputException("weights of this model are kept off the device, where they cannot be changed; load the model " +
                "without a memory limit to merge into it");
        }
        bool merged = set.Merged.Count > 0;
        set.RemoveMerged();
        bool disabled = set.SetDisabled(false);
        var folding = new BaseFolding(model, set.Active);
        try
        {
            Array.ForEach(set.Active, adapter => MergedWeights.RefuseIfUnmergeable(adapter, safe));
            if (safe)
            {
                folding.RefuseIfNotFinite();
            }
        }
        catch
        {
            if (merged)
            {
                Merge(safe: false);
            }
            Restore(disabled);
            throw;
        }
        folding.Run(keepTies);
        if (folding.Requantized.Sentence is { } sentence)
        {
            warnings?.Add(sentence);
        }
    }

    /// <summary>Attaches a LoRA that is a weighted combination of adapters; it is neither active nor trainable.</summary>
    /// <inheritdoc cref="PeftModel.AddWeightedAdapter"/>
    public void Combine(IReadOnlyList<string> names, IReadOnlyList<double> weights, string newName, CombinationType combination,
        double? density, MajoritySign majoritySign, int? svdRank, ulong seed)
    {
        var sum = set.OnPlainBase(() => new AdapterCombination(model, [.. names.Select(registry.Get)], weights, combination, density,
            majoritySign, svdRank, seed));
        var adapter = registry.Create(sum.Config(model), new AttachContext(model, newName, seed) { IsNew = false });
        sum.Fill(adapter);
        registry.Attach(adapter);
        adapter.SetRequiresGrad(false, active: false);
    }

    private void Restore(bool disabled)
    {
        if (disabled)
        {
            set.SetDisabled(true);
        }
    }

    private void Merge(Adapter adapter, bool safe)
    {
        MergedWeights.RefuseIfUnmergeable(adapter, safe);
        var merged = new List<ParameterSwap>();
        try
        {
            foreach (var (path, layer) in adapter.Layers)
            {
                int before = merged.Count;
                MergeLayer(path, layer, merged);
                if (safe && !merged.Skip(before).All(swap => MergedWeights.IsFinite(swap.Value.Value)))
                {
                    throw MergedWeights.NotFinite(adapter, path);
                }
            }
        }
        catch
        {
            merged.ForEach(swap => swap.Deactivate());
            merged.ForEach(swap => swap.Value.Dispose());
            throw;
        }
        set.AddMerged(adapter, merged);
    }

    private void MergeLayer(string path, LayerAdapter adapter, List<ParameterSwap> merged)
    {
        var module = model.Find(path)!;
        using var scope = new TensorScope();
        foreach (var (name, value) in MergedWeights.Of(module, [adapter], set.MergedFrom(module, "weight")))
        {
            // A tied weight is merged once, in the module of the adapter only.
            var original = module.OwnParameter(name)!;
            var parameter = new Parameter(original.Shape);
            value.Backend.Cast(value, parameter.MaterializeLike(original.Value));
            var swap = new ParameterSwap(module, name, new AdapterParameter(path, "", "", parameter), trainable: false);
            swap.Activate();
            merged.Add(swap);
        }
    }
}
