using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

public sealed partial class PeftModel
{
    /// <summary>Tells the active adapters that a step begins: some look at more gradients in some steps.</summary>
    /// <param name="step">The step, counted from 1.</param>
    /// <param name="batches">Batches whose gradients the step adds up.</param>
    public void BeforeStep(long step, int batches = 1)
    {
        foreach (string name in _active)
        {
            _adapters[name].BeforeStep?.Invoke(step, batches);
        }
    }

    /// <summary>Parameters of active adapters whose elements have changed places since the last call.</summary>
    internal IReadOnlyList<(Parameter Parameter, int[] Before)> TakePermutations()
    {
        List<(Parameter Parameter, int[] Before)>? moved = null;
        foreach (string name in _active)
        {
            if (_adapters[name].Moved is { Count: > 0 } some)
            {
                (moved ??= []).AddRange(some);
                some.Clear();
            }
        }
        return moved ?? (IReadOnlyList<(Parameter Parameter, int[] Before)>)[];
    }

    /// <summary>Tells the active adapters that the optimizer has made a step, while the gradients are still there: AdaLoRA moves its ranks
    /// then.</summary>
    /// <param name="step">Steps done, counted from 1.</param>
    public void AfterStep(long step)
    {
        foreach (string name in _active)
        {
            _adapters[name].AfterStep?.Invoke(step);
        }
    }

    /// <summary>The sum of what applied adapters add to the loss; null for nothing.</summary>
    private Tensor? Penalty()
    {
        Tensor? sum = null;
        foreach (string name in AppliedAdapters)
        {
            if (_adapters[name].Penalty?.Invoke() is { } penalty)
            {
                sum = sum is null ? penalty : sum + penalty;
            }
        }
        return sum;
    }
}
