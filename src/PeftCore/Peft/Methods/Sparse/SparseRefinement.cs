using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Sparse;

/// <summary>RigL (Evci et al. 2020): every <see cref="SparseConfig.RefineEvery"/> steps the entries with the smallest |S| are dropped, and
/// the unchosen entries of W with the largest gradients replace them, with S = 0.</summary>
internal sealed class SparseRefinement(SparseConfig config, IReadOnlyList<SparseAdapter> layers)
{
    public void Attach(Adapter adapter)
    {
        var round = new Dictionary<SparseAdapter, Candidates>();
        adapter.BeforeStep = (step, batches) =>
        {
            round.Clear();
            foreach (var layer in layers)
            {
                layer.Observer = null;
                if (IsRound(step))
                {
                    round.Add(layer, new Candidates(layer, DropsOf(layer), sums: batches > 1));
                    layer.Observer = round[layer];
                }
            }
        };
        adapter.AfterStep = step =>
        {
            foreach (var (layer, candidates) in round)
            {
                layer.Observer = null;
                adapter.Permutations.Add((layer.Values, Replace(layer, candidates.Best())));
            }
            round.Clear();
        };
    }

    private bool IsRound(long step) => step % config.RefineEvery == 0 && step <= (config.RefineUntil ?? long.MaxValue);

    private int DropsOf(SparseAdapter layer) =>
        Math.Min((int)(config.RefineFraction * layer.Places.Length), (int)layer.Layer.Weight.Shape.Count - layer.Places.Length);

    /// <returns>For each entry its index before the round; −1 for a new entry.</returns>
    private static int[] Replace(SparseAdapter layer, int[] grown)
    {
        float[] values = layer.Values.Value.ToArray<float>();
        int[] kept = [.. Enumerable.Range(0, values.Length).OrderByDescending(i => Math.Abs(values[i])).ThenBy(i => i)
            .Take(values.Length - grown.Length)];
        var entries = kept.Select(i => (Place: layer.Places[i], Before: i)).Concat(grown.Select(place => (Place: place, Before: -1)))
            .OrderBy(entry => entry.Place).ToList();
        float[] moved = [.. entries.Select(entry => entry.Before < 0 ? 0 : values[entry.Before])];
        layer.Move([.. entries.Select(entry => entry.Place)]);
        layer.Values.Value.Upload<float>(moved);
        return [.. entries.Select(entry => entry.Before)];
    }

    /// <summary>Collects the unchosen entries with the largest |∂L/∂W|. The gradients of one batch are compared at once; those of several
    /// batches are first summed in host memory.</summary>
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
