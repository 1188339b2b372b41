using System.Runtime.InteropServices;
using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y = x·Wᵀ + b + Σ (xA∘m)·Bᵀ + s·bias with xA = s·dropout(x)·Aᵀ (…, r): the base product and the rank-r products accumulate in
/// one output. Saves x for the gradients of A and W only, xA for those of B and m only; ΔW = s·B·diag(m)·A is never formed. Several maps of
/// one x (query, key and value; gate and up) are one op: x is saved once, and dx is one sum. The readable twin of plain ops is
/// tests/PeftCore.Tests/Docs/Snippets/LoraByHand.cs; LoraByHandTests compares outputs and gradients.</summary>
internal static class LowRankLinearOp
{
    extension(Tensor x)
    {
        /// <summary>Applies a linear map and its low-rank updates to the innermost axis.</summary>
        /// <param name="weight">(out, in), or (in, out) when <paramref name="transposed"/>; F32, BF16 or F16.</param>
        /// <param name="bias">(out), or null.</param>
        /// <param name="transposed">The weight has the layout of GPT-2's Conv1D.</param>
        /// <param name="updates">The active low-rank updates.</param>
        /// <returns>(…, out)</returns>
        /// <exception cref="ShapeException">The shapes do not fit together.</exception>
        public Tensor LoraLinear(Tensor weight, Tensor? bias, bool transposed, params ReadOnlySpan<LowRankUpdate> updates) =>
            x.LoraLinears(new AdaptedLinear(weight, bias, transposed, updates.ToArray()))[0];

        /// <summary>Applies several linear maps with their low-rank updates to the innermost axis.</summary>
        /// <returns>(…, out) of each map.</returns>
        /// <exception cref="ShapeException">The shapes do not fit together.</exception>
        internal Tensor[] LoraLinears(params ReadOnlySpan<AdaptedLinear> linears)
        {
            var maps = linears.ToArray();
            var inputs = new List<Tensor?>(16) { x };
            var outputs = new Tensor[maps.Length];
            for (int i = 0; i < maps.Length; i++)
            {
                outputs[i] = x.NewLike(x.Shape.WithColumns(maps[i].CheckedOutputs(x))); // (…, out)
                maps[i].AddTo(inputs);
            }
            var xA = DownProjections(x, maps);
            UpProjections(x, maps, xA, outputs);
            Tape.Record(() => new Node(x, maps, xA), CollectionsMarshal.AsSpan(inputs), outputs);
            return outputs;
        }
    }

    /// <summary>xA = s·dropout(x)·Aᵀ (…, r) of each update. The scale is part of it, so that the product with Bᵀ accumulates on the base
    /// product and the gradients of B and m need no scale.</summary>
    private static Tensor[][] DownProjections(Tensor x, AdaptedLinear[] maps)
    {
        var xA = new Tensor[maps.Length][];
        for (int i = 0; i < maps.Length; i++)
        {
            xA[i] = new Tensor[maps[i].Updates.Count];
            for (int j = 0; j < xA[i].Length; j++)
            {
                xA[i][j] = x.NewLike(x.Shape.WithColumns(maps[i].Updates[j].A.Shape[0]));
            }
        }
        using var scope = new TensorScope();
        using var gemms = GroupedGemm.On(x.Backend);
        for (int i = 0; i < maps.Length; i++)
        {
            for (int j = 0; j < xA[i].Length; j++)
            {
                var (a, _, scale, _, dropout, _) = maps[i].Updates[j];
                gemms.Add(xA[i][j], null, false, scale, new GemmOperands(dropout.Active ? dropout.Apply(x) : x, false, a, true));
            }
        }
        gemms.Run();
        return xA;
    }

    /// <summary>y = x·Wᵀ + b + Σ (xA∘m)·Bᵀ + s·bias of each map.</summary>
    private static void UpProjections(Tensor x, AdaptedLinear[] maps, Tensor[][] xA, Tensor[] outputs)
    {
        using var scope = new TensorScope();
        using var gemms = GroupedGemm.On(x.Backend);
        for (int i = 0; i < maps.Length; i++)
        {
            var map = maps[i];
            gemms.Add(outputs[i], map.Bias, false, 1, new GemmOperands(x, false, map.Weight, !map.Transposed));
            for (int j = 0; j < xA[i].Length; j++)
            {
                var middle = TimesRowFactors(TimesDiagonal(xA[i][j], map.Updates[j].Diagonal), map.Updates[j].RowFactors);
                gemms.AddTerm(new GemmOperands(middle, false, map.Updates[j].B, true));
            }
        }
        gemms.Run();
        for (int i = 0; i < maps.Length; i++)
        {
            maps[i].AddUpdateBiases(outputs[i]);
        }
    }

    /// <summary>xA∘m, or xA itself without m.</summary>
    private static Tensor TimesDiagonal(Tensor xA, Tensor? diagonal)
    {
        if (diagonal is null)
        {
            return xA;
        }
        var product = xA.NewLike(xA.Shape);
        xA.Backend.MultiplyRow(xA, diagonal, product, false);
        return product;
    }

    /// <summary>xA with the factors of each row of a mixed batch.</summary>
    private static Tensor TimesRowFactors(Tensor xA, Tensor? factors)
    {
        if (factors is null)
        {
            return xA;
        }
        if (xA.Shape[0] != factors.Shape[0])
        {
            throw new ShapeException("lora linear", $"a mixed batch has {factors.Shape[0]} adapter names, but {xA.Shape[0]} rows came");
        }
        int each = xA.Shape.Rows / xA.Shape[0]; // Tokens of a row.
        int[] rows = [.. Enumerable.Range(0, each == 1 ? 0 : xA.Shape.Rows).Select(row => row / each)];
        xA.Backend.Multiply(xA, each == 1 ? factors : factors.Rows(xA.Backend.From(rows, [rows.Length])), xA, false);
        return xA;
    }

    /// <summary>A map in backward. Its weight is null if x needs no gradient.</summary>
    private readonly record struct SavedMap(MapSlots Slots, Tensor? Weight, bool Transposed, SavedUpdate[] Updates);

    /// <summary>An update in backward. xA is null if neither B nor m needs a gradient; B is saved only if x, A or m needs one, because
    /// their gradients pass through xA.</summary>
    private readonly record struct SavedUpdate(UpdateSlots Slots, LowRankUpdate Update, Tensor? XA, bool NeedsXAGradient);

    /// <summary>y = x·Wᵀ + b + (xA∘m)·Bᵀ with xA = s·dropout(x)·Aᵀ, for several maps of one x;  with g = dy·B and h = s·(g∘m), both (…, r):
    /// dW = dyᵀ·x, dB = dyᵀ·(xA∘m) and without m dB = dyᵀ·xA, dm = Σ rows of g∘xA, dA = hᵀ·dropout(x) and without dropout dA = hᵀ·x,
    /// dbias = s·Σ rows of dy, dx = Σ dy·W + dropout(h·A), in one output.</summary>
    private sealed class Node : GradientNode
    {
        private readonly SavedValue? _x;
        private readonly SavedMap[] _maps;

        public Node(Tensor x, AdaptedLinear[] maps, Tensor[][] xA) : base("lora_linear")
        {
            bool trainsW = false, trainsA = false, drops = false;
            int number = 0, count = maps.Sum(map => map.Updates.Count);
            var slots = MapSlots.First;
            _maps = new SavedMap[maps.Length];
            for (int i = 0; i < maps.Length; i++)
            {
                var map = maps[i];
                trainsW |= map.Weight.RequiresGrad;
                var updates = new SavedUpdate[map.Updates.Count];
                for (int j = 0; j < updates.Length; j++, number++)
                {
                    var update = map.Updates[j];
                    trainsA |= update.A.RequiresGrad;
                    drops |= update.A.RequiresGrad && update.Dropout.Active;
                    updates[j] = Save(update, slots.Update(j), xA[i][j], count > 1 ? $"xA{number}" : "xA", x.RequiresGrad);
                }
                _maps[i] = new SavedMap(slots, x.RequiresGrad ? SaveWeight(map.Weight) : null, map.Transposed, updates);
                slots = slots.Next(updates.Length);
            }
            _x = trainsW || trainsA ? SaveOrRecompute("x", x,
                Uses((trainsW, "dW = dyᵀ·x"), (trainsA, drops ? "dA = hᵀ·dropout(x)" : "dA = hᵀ·x"))) : null;
        }

        private SavedUpdate Save(LowRankUpdate update, UpdateSlots slots, Tensor xA, string name, bool needsXGradient)
        {
            bool trainsDiagonal = update.Diagonal is { RequiresGrad: true };
            bool needsXAGradient = needsXGradient || update.A.RequiresGrad || trainsDiagonal;
            var held = update with
            {
                A = SaveWeight(update.A),
                B = needsXAGradient ? SaveWeight(update.B) : update.B,
                Diagonal = update.Diagonal is { } diagonal ? SaveWeight(diagonal) : null,
            };
            var saved = SaveIf(update.B.RequiresGrad || trainsDiagonal, name, xA,
                Uses((update.B.RequiresGrad, held.Diagonal is null ? "dB = dyᵀ·xA" : "dB = dyᵀ·(xA∘m)"),
                    (trainsDiagonal, "dm = Σ rows of g∘xA")));
            return new SavedUpdate(slots, held, saved, needsXAGradient);
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dx = new List<GemmOperands>(8);
            List<(LowRankUpdate Update, Tensor H)>? dropped = null;
            using var gemms = GroupedGemm.On(Tape.RunningBackend);
            var reached = new List<(SavedMap Map, Tensor Dy, Tensor?[] G)>(_maps.Length);
            for (int i = 0; i < _maps.Length; i++)
            {
                if (context.HasGradOutput(i))
                {
                    reached.Add((_maps[i], context.GradOutput(i), QueueGradientsOfB(context, context.GradOutput(i), _maps[i], gemms)));
                }
            }
            gemms.Run(); // dB and g
            foreach (var (map, dy, g) in reached)
            {
                BaseGradients(context, dy, map);
                if (map.Weight is not null)
                {
                    dx.Add(new GemmOperands(dy, false, map.Weight, map.Transposed));
                }
                for (int j = 0; j < g.Length; j++)
                {
                    if (g[j] is { } h)
                    {
                        var update = map.Updates[j].Update;
                        ThroughDiagonal(context, map.Updates[j], h);
                        QueueGradientOfA(context, map.Updates[j], h, gemms);
                        if (update.Dropout.Active)
                        {
                            (dropped ??= []).Add((update, h));
                        }
                        else
                        {
                            dx.Add(new GemmOperands(h, false, update.A, false));
                        }
                    }
                }
            }
            gemms.Run(); // dA
            if (context.GradInput(MapSlots.X, out bool accumulate) is { } target)
            {
                target.Backend.Product(dx, target, accumulate);
                AddThroughDropout(target, dropped);
            }
        }

        private void BaseGradients(BackwardContext context, Tensor dy, in SavedMap map)
        {
            if (context.GradInput(map.Slots.Weight, out bool accumulate) is { } dw)
            {
                LinearOp.WeightGradient(dy, _x!.Value, map.Transposed, dw, accumulate);
            }
            if (context.GradInput(map.Slots.Bias, out accumulate) is { } db)
            {
                dy.Backend.SumRows(dy, db, accumulate);
            }
        }

        /// <summary>Queues dB and g = dy·B (…, r) of each update, g times s where there is no m; computes dbias.</summary>
        private static Tensor?[] QueueGradientsOfB(BackwardContext context, Tensor dy, in SavedMap map, GroupedGemm gemms)
        {
            var g = new Tensor?[map.Updates.Length];
            for (int j = 0; j < g.Length; j++)
            {
                var (slots, update, xA, needsXAGradient) = map.Updates[j];
                var dB = context.GradInput(slots.B, out bool accumulate);
                if (context.NeedsInputGrad(slots.Bias))
                {
                    var sum = dy.NewLike([dy.Shape.Columns], DType.F32);
                    dy.Backend.SumRows(dy, sum, false);
                    dy.Backend.Scale(sum, update.Scale, context.GradInput(slots.Bias, out bool add)!, add);
                }
                float scale = update.Diagonal is null ? update.Scale : 1;
                g[j] = needsXAGradient ? dy.NewLike(dy.Shape.WithColumns(update.A.Shape[0])) : null;
                if (dB is not null && g[j] is not null)
                {
                    gemms.Add(new SkinnyGemm(dy, update.B, g[j], scale, TimesDiagonal(xA!, update.Diagonal), dB, accumulate));
                }
                else if (dB is not null)
                {
                    gemms.Add(dB, null, accumulate, 1, new GemmOperands(dy, true, TimesDiagonal(xA!, update.Diagonal), false));
                }
                else if (g[j] is not null)
                {
                    gemms.Add(g[j]!, null, false, scale, new GemmOperands(dy, false, update.B, false));
                }
            }
            return g;
        }

        /// <summary>Computes dm and turns g into h = s·(g∘m) in place. Without m, g is h already.</summary>
        private static void ThroughDiagonal(BackwardContext context, in SavedUpdate saved, Tensor g)
        {
            if (saved.Update.Diagonal is not { } diagonal)
            {
                return;
            }
            if (context.GradInput(saved.Slots.Diagonal, out bool accumulate) is { } dm)
            {
                g.Backend.MultiplySumRows(g, saved.XA!, dm, accumulate); // xA has the scale in it, so g must not have it yet.
            }
            if (context.NeedsInputGrad(saved.Slots.A) || context.NeedsInputGrad(MapSlots.X))
            {
                g.Backend.MultiplyRow(g, diagonal, g, false);
                g.Backend.Scale(g, saved.Update.Scale, g, false);
            }
        }

        private void QueueGradientOfA(BackwardContext context, in SavedUpdate saved, Tensor h, GroupedGemm gemms)
        {
            if (context.GradInput(saved.Slots.A, out bool accumulate) is not { } dA)
            {
                return;
            }
            if (saved.Update.Dropout is { Active: true } dropout)
            {
                gemms.Add(dA, null, accumulate, 1, new GemmOperands(h, true, dropout.Apply(_x!.Value), false));
            }
            else
            {
                gemms.Add(new SkinnyGemm(_x!.Value, null, null, 1, h, dA, accumulate));
            }
        }

        private static void AddThroughDropout(Tensor dx, List<(LowRankUpdate Update, Tensor H)>? dropped)
        {
            foreach (var (update, h) in dropped ?? [])
            {
                using var scope = new TensorScope();
                var masked = dx.NewLike(dx.Shape);
                dx.Backend.MatMul(h, false, update.A, false, masked);
                update.Dropout.Apply(masked, dx, accumulate: true);
            }
        }
    }
}
