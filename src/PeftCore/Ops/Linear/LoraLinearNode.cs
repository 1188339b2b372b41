using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Gradients of linear maps of one x with low-rank updates: with dT = dy·B and dS = s·dT∘m, they are dB = dyᵀ·(S∘m), dm = Σ dT∘S,
/// dA = dSᵀ·x and dx = Σ dy·W + dS·A, all in one accumulator.</summary>
internal sealed class LoraLinearNode : GradientNode
{
    private const int InputsPerMap = 2, InputsPerBranch = 4;

    private readonly SavedValue? _x;
    private readonly Map[] _maps;

    private readonly record struct Map(int Input, Tensor? Weight, bool Transposed, Branch[] Branches);

    private readonly record struct Branch(int Input, Tensor A, Tensor? B, float Scale, DropoutKey Drop, Tensor? Low, Tensor? Middle);

    public LoraLinearNode(Tensor x, AdaptedLinear[] maps, Tensor[][] low) : base("lora_linear")
    {
        bool needsX = false, several = maps.Sum(map => map.Updates.Count) > 1;
        int input = 1, number = 0;
        _maps = new Map[maps.Length];
        for (int i = 0; i < maps.Length; i++)
        {
            var map = maps[i];
            needsX |= map.Weight.RequiresGrad;
            var branches = new Branch[map.Updates.Count];
            int first = input;
            input += InputsPerMap;
            for (int j = 0; j < branches.Length; j++, input += InputsPerBranch, number++)
            {
                var b = map.Updates[j];
                needsX |= b.A.RequiresGrad;
                bool trainsMiddle = b.Diagonal is { RequiresGrad: true };
                bool needsLow = x.RequiresGrad || b.A.RequiresGrad || trainsMiddle;
                branches[j] = new Branch(input, SaveWeight(b.A), needsLow ? SaveWeight(b.B) : null, b.Scale, b.Dropout,
                    SaveIf(b.B.RequiresGrad || trainsMiddle, several ? $"s{number}" : "s", low[i][j]), b.Diagonal is { } middle
                    ? SaveWeight(middle) : null);
            }
            _maps[i] = new Map(first, x.RequiresGrad ? SaveWeight(map.Weight) : null, map.Transposed, branches);
        }
        _x = needsX ? SaveOrRecompute("x", x) : null;
    }

    protected internal override void Backward(BackwardContext flow)
    {
        var dx = new List<GemmOperands>(8);
        List<(Branch Branch, Tensor Low)>? dropped = null;
        using var factors = GroupedGemm.On(Tape.RunningBackend);
        var arrived = new List<(Map Map, Tensor Gradient, Tensor?[] Low)>(_maps.Length);
        for (int i = 0; i < _maps.Length; i++)
        {
            if (flow.HasGradOutput(i))
            {
                arrived.Add((_maps[i], flow.GradOutput(i), LowGradients(flow, flow.GradOutput(i), _maps[i], factors)));
            }
        }
        factors.Run(); // dB and dT
        foreach (var (map, dy, low) in arrived)
        {
            Base(flow, dy, map);
            if (map.Weight is not null)
            {
                dx.Add(new GemmOperands(dy, false, map.Weight, map.Transposed));
            }
            for (int j = 0; j < low.Length; j++)
            {
                if (low[j] is { } ds)
                {
                    Inner(flow, map.Branches[j], ds, factors);
                    if (map.Branches[j].Drop.Active)
                    {
                        (dropped ??= []).Add((map.Branches[j], ds));
                    }
                    else
                    {
                        dx.Add(new GemmOperands(ds, false, map.Branches[j].A, false));
                    }
                }
            }
        }
        factors.Run(); // dA
        if (flow.GradInput(0, out bool accumulate) is { } target)
        {
            target.Backend.MatMulSum(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(dx), target, null, accumulate);
            AddDropped(target, dropped);
        }
    }

    private void Base(BackwardContext flow, Tensor dy, in Map map)
    {
        if (flow.GradInput(map.Input, out bool accumulate) is { } dw)
        {
            LinearOp.WeightGradient(dy, _x!.Value, map.Transposed, dw, accumulate);
        }
        if (flow.GradInput(map.Input + 1, out accumulate) is { } db)
        {
            dy.Backend.SumRows(dy, db, accumulate);
        }
    }

    /// <summary>dB and the bias of B; dT = dy·B (…, r) of each branch where something needs it, already times s if no middle comes
    /// between.</summary>
    private static Tensor?[] LowGradients(BackwardContext flow, Tensor dy, in Map map, GroupedGemm factors)
    {
        var low = new Tensor?[map.Branches.Length];
        for (int j = 0; j < low.Length; j++)
        {
            var branch = map.Branches[j];
            var dB = flow.GradInput(branch.Input + 1, out bool accumulate);
            if (flow.NeedsInputGrad(branch.Input + 2))
            {
                BiasGradient(flow, dy, branch.Scale, branch.Input + 2);
            }
            float scale = branch.Middle is null ? branch.Scale : 1;
            low[j] = branch.B is null ? null : dy.NewLike(dy.Shape.WithColumns(branch.A.Shape[0]));
            if (dB is not null && branch.B is not null)
            {
                factors.Add(new SkinnyGemm(dy, branch.B, low[j], scale, LoraLinearOp.Scaled(branch.Low!, branch.Middle), dB, accumulate));
            }
            else if (dB is not null)
            {
                factors.Add(dB, null, accumulate, 1, new GemmOperands(dy, true, LoraLinearOp.Scaled(branch.Low!, branch.Middle), false));
            }
            else if (branch.B is not null)
            {
                factors.Add(low[j]!, null, false, scale, new GemmOperands(dy, false, branch.B, false));
            }
        }
        return low;
    }

    /// <summary>dm and dA; turns dT into dS.</summary>
    private void Inner(BackwardContext flow, in Branch branch, Tensor ds, GroupedGemm factors)
    {
        if (branch.Middle is { } middle)
        {
            if (flow.GradInput(branch.Input + 3, out bool add) is { } dm)
            {
                ds.Backend.MultiplySumRows(ds, branch.Low!, dm, add); // S has the scale in it, so dy·B must not have it yet.
            }
            if (flow.NeedsInputGrad(branch.Input) || flow.NeedsInputGrad(0))
            {
                ds.Backend.MultiplyRow(ds, middle, ds, false);
                ds.Backend.Scale(ds, branch.Scale, ds, false);
            }
        }
        if (flow.GradInput(branch.Input, out bool accumulate) is { } dA)
        {
            if (branch.Drop.Active)
            {
                factors.Add(dA, null, accumulate, 1, new GemmOperands(ds, true, branch.Drop.Apply(_x!.Value), false));
            }
            else
            {
                factors.Add(new SkinnyGemm(_x!.Value, null, null, 1, ds, dA, accumulate));
            }
        }
    }

    private static void AddDropped(Tensor dx, List<(Branch Branch, Tensor Low)>? dropped)
    {
        foreach (var (branch, ds) in dropped ?? [])
        {
            using var scope = new TensorScope();
            var masked = dx.NewLike(dx.Shape);
            dx.Backend.MatMul(ds, false, branch.A, false, masked);
            branch.Drop.Apply(masked, dx, accumulate: true);
        }
    }

    private static void BiasGradient(BackwardContext flow, Tensor dy, float scale, int input)
    {
        var sum = dy.NewLike([dy.Shape.Columns], DType.F32);
        dy.Backend.SumRows(dy, sum, false);
        var db = flow.GradInput(input, out bool accumulate)!;
        dy.Backend.Scale(sum, scale, db, accumulate);
    }
}
