using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Calls the adapters' hooks before and after a training step.</summary>
/// <param name="set">The active set.</param>
internal sealed class StepHooks(ActiveSet set)
{
    /// <summary>To be called before each training step, counted from 1, with the number of batches whose gradients it sums up: a sparse
    /// mask prepares the rounds that choose other entries.</summary>
    public void BeforeStep(long step, int batches)
    {
        foreach (var adapter in set.Active)
        {
            adapter.BeforeStep?.Invoke(step, batches);
        }
    }

    /// <summary>To be called after each optimizer step, counted from 1, before its gradients are freed: AdaLoRA allocates ranks.</summary>
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
