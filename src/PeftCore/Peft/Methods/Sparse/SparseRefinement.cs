using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Sparse;

/// <summary>Rounds that drop the entries that moved least and let those train whose gradients are largest now (Evci et al. 2020, RigL). A
/// dropped entry has the base's value again; a new one starts from it.</summary>
internal sealed class SparseRefinement(SparseConfig config, IReadOnlyList<SparseAdapter> layers)
{
    public void Attach(Adapter adapter)
    {
        adapter.BeforeStep = (step, batches) => layers.ToList().ForEach(layer => layer.Observer = IsRound(step)
            ? new Candidates(layer, DropsOf(layer), sums: batches > 1) : null);
        adapter.AfterStep = step =>
        {
            foreach (var layer in layers.Where(layer => layer.Observer is not null))
            {
                var candidates = (Candidates)layer.Observer!;
                layer.Observer = null;
                adapter.Permutations.Add((layer.Values, Replace(layer, candidates.Best())));
            }
        };
    }

    private bool IsRound(long step) => step % config.RefineEvery == 0 && step <= (config.RefineUntil ?? long.MaxValue);

    private int DropsOf(SparseAdapter layer) =>
        Math.Min((int)(config.RefineFraction * layer.Places.Length), (int)layer.Layer.Weight.Shape.Count - layer.Places.Length);

    /// <returns>For each entry the one it was before; −1 for a new one.</returns>
    private static int[] Replace(SparseAdapter layer, int[] grown)
    {
        float[] values = layer.Values.Value.ToArray<float>();
        int[] kept = [.. Enumerable.Range(0, values.Length).OrderByDescending(i => Math.Abs(values[i])).ThenBy(i => i)
            .Take(values.Length - grown.Length)];
        var entries = kept.Select(i => (Place: layer.Places[i], Before: i)).Concat(grown.Select(place => (Place: place, Before: -1)))
            .OrderBy(entry => entry.Place).ToList();
        float[] moved = [.. entries.Select(entry => entry.Before < 0 ? 0 : values[entry.Before])];
        layer.Move([.. entries.Select(entry => entry.Place)]);
        layer.Values.Value.Backend.Upload(MemoryMarshal.AsBytes<float>(moved), layer.Values.Value);
        return [.. entries.Select(entry => entry.Before)];
    }

    /// <summary>Remembers the unchosen entries with the largest gradients. Of one pass it keeps no others; the gradients of several are
    /// added up on the host until the last has come.</summary>
    private sealed class Candidates(SparseAdapter layer, int count, bool sums) : IWeightGradientObserver
    {
        private readonly float[]? _sum = sums ? new float[layer.Layer.Weight.Shape.Count] : null;
        private readonly PriorityQueue<int, float> _best = new();
        private readonly HashSet<int> _chosen = [.. layer.Places];

        public void See(Tensor piece, long firstElement)
        {
            float[] gradient = piece.ToArray<float>();
            if (_sum is null)
            {
                Compare(gradient, firstElement);
                return;
            }
            var part = _sum.AsSpan((int)firstElement, gradient.Length);
            System.Numerics.Tensors.TensorPrimitives.Add(part, gradient, part);
        }

        public int[] Best()
        {
            if (_sum is not null)
            {
                Compare(_sum, 0);
            }
            return [.. _best.UnorderedItems.Select(item => item.Element)];
        }

        private void Compare(float[] gradient, long firstElement)
        {
            for (int i = 0; i < gradient.Length; i++)
            {
                float size = Math.Abs(gradient[i]);
                if (_best.Count < count)
                {
                    Offer((int)(firstElement + i), size);
                }
                else if (count > 0 && _best.TryPeek(out _, out float least) && size > least && Offer((int)(firstElement + i), size))
                {
                    _best.Dequeue();
                }
            }
        }

        private bool Offer(int place, float size)
        {
            if (_chosen.Contains(place))
            {
                return false;
            }
            _best.Enqueue(place, size);
            return true;
        }
    }
}
