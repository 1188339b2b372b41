using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Calls the adapters' hooks before and after a training step.</summary>
/// <param name="set">The active set.</param>
internal sealed class StepHooks(ActiveSet set)
{
    /// <summary>Calls the active adapters' hooks before a training step, counted from 1.</summary>
    public void BeforeStep(long step, int batches)
    {
        foreach (var adapter in set.Active)
        {
            adapter.BeforeStep?.Invoke(step, batches);
        }
    }

    /// <summary>Calls the active adapters' hooks after the optimizer step, while the gradients still exist.</summary>
    public void AfterStep(long step)
    {
        foreach (var adapter in set.Active)
        {
            adapter.AfterStep?.Invoke(step);
        }
    }

    /// <summary>Parameters of active adapters whose elements were permuted since the last call: element i was element Before[i], or is new
    /// where that is −1. The optimizer permutes its state in the same way.</summary>
    public IReadOnlyList<(Parameter Parameter, int[] Before)> TakePermutations()
    {
        List<(Parameter Parameter, int[] Before)>? permuted = null;
        foreach (var adapter in set.Active)
        {
            if (adapter.Permutations is { Count: > 0 } some)
            {
                (permuted ??= []).AddRange(some);
                some.Clear();
            }
        }
        return permuted ?? (IReadOnlyList<(Parameter Parameter, int[] Before)>)[];
    }

    /// <summary>The sum of the penalties that applied adapters add to the loss; null for none.</summary>
    public Tensor? Penalty()
    {
        Tensor? sum = null;
        foreach (var adapter in set.Applied)
        {
            if (adapter.Penalty?.Invoke() is { } penalty)
            {
                sum = sum is null ? penalty : sum + penalty;
            }
        }
        return sum;
    }
}
