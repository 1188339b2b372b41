using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>Wrong shapes cause an error with the op, the shapes and the expectation, before anything is computed.</summary>
public sealed class ShapeErrorTests
{
    private CpuBackend _backend = null!;
    private TensorScope _scope = null!;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(1);
        _scope = new TensorScope();
    }

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _backend.Dispose();
    }

    [Test]
    public void Linear_layers()
    {
        var (x, weight) = (Floats(2, 3), Floats(5, 3));
        Refused(() => Half(2, 3).Linear(weight), "linear: x must be F32, got BF16(2, 3) on cpu");
        Refused(() => Floats().Linear(weight), "linear: needs x (…, in) and weight (out, in), got F32() on cpu and F32(5, 3) on cpu");
        Refused(() => x.Linear(Floats(3)), "linear: needs x (…, in) and weight (out, in), got F32(2, 3) on cpu and F32(3) on cpu");
        Refused(() => x.Linear(Ints(5, 3)), "linear: needs x (…, in) and weight (out, in), got F32(2, 3) on cpu and I32(5, 3) on cpu");
        Refused(() => x.Linear(Floats(5, 4)), "linear: x has 3 columns, the weight takes 4: x (2, 3), weight (5, 4)");
        Refused(() => x.Linear(weight, transposed: true), "linear: x has 3 columns, the weight takes 5: x (2, 3), weight (5, 3)");
        Refused(() => x.Linear(weight, Floats(3)), "linear: bias must have 5 floating-point elements, got F32(3) on cpu");
        Refused(() => x.Linear(weight, Ints(5)), "linear: bias must have 5 floating-point elements, got I32(5) on cpu");
    }

    [Test]
    public void Lora_branches()
    {
        var (x, weight) = (Floats(2, 3), Floats(5, 3));
        Refused(() => Lora(Floats(2, 4), Floats(5, 2)), "lora linear: A must have shape (2, 3), got F32(2, 4) on cpu");
        Refused(() => Lora(Floats(2, 3), Floats(5, 3)), "lora linear: B must have shape (5, 2), got F32(5, 3) on cpu");
        Refused(() => Lora(Floats(2, 3), Floats(5, 2), Floats(2)),
            "lora linear: the bias of B must have 5 floating-point elements, got F32(2) on cpu");
        Refused(() => x.LoraLinear(Floats(5, 4), null, false), "linear: x has 3 columns, the weight takes 4: x (2, 3), weight (5, 4)");

        Tensor Lora(Tensor a, Tensor b, Tensor? bias = null) => x.LoraLinear(weight, null, false, new LowRankUpdate(a, b, 1, bias));
    }

    [Test]
    public void Matrix_products()
    {
        Refused(() => Floats(2, 3).MatMul(Floats(4, 3)), "matmul: (2, 3) and (4, 3) do not multiply: F32(2, 3) on cpu, F32(4, 3) on cpu");
        Refused(() => Floats(2, 3).MatMul(Floats(2, 4), transposeB: true),
            "matmul: (2, 3) and (4, 2) do not multiply: F32(2, 3) on cpu, F32(2, 4) on cpu");
        Refused(() => Floats(2, 3).MatMul(Ints(3, 2)),
            "matmul: multiplies floating-point numbers, got F32(2, 3) on cpu and I32(3, 2) on cpu");
    }

    [Test]
    public void Norms()
    {
        Refused(() => Half(2, 3).RmsNorm(Floats(3), 0), "rms norm: x must be F32, got BF16(2, 3) on cpu");
        Refused(() => Floats(2, 3).RmsNorm(Floats(2), 0), "rms norm: weight must have 3 floating-point elements, got F32(2) on cpu");
        Refused(() => Half(2, 3).LayerNorm(Floats(3), null, 0), "layer norm: x must be F32, got BF16(2, 3) on cpu");
        Refused(() => Floats(2, 3).LayerNorm(Ints(3), null, 0),
            "layer norm: weight must have 3 floating-point elements, got I32(3) on cpu");
        Refused(() => Floats(2, 3).LayerNorm(Floats(3), Floats(4), 0),
            "layer norm: bias must have 3 floating-point elements, got F32(4) on cpu");
        Refused(() => Half(2, 3).Softmax(), "softmax: x must be F32, got BF16(2, 3) on cpu");
    }

    [Test]
    public void Elementwise_ops()
    {
        var (a, b) = (Floats(2, 3), Floats(3, 2));
        Refused(() => a + b, "add: needs equal shapes, got (2, 3) and (3, 2)");
        Refused(() => a - b, "subtract: needs equal shapes, got (2, 3) and (3, 2)");
        Refused(() => a * b, "multiply: needs equal shapes, got (2, 3) and (3, 2)");
        Refused(() => a.Gate<Silu>(b), "gate: needs equal shapes, got (2, 3) and (3, 2)");
        Refused(() => Half(2) + Floats(2), "add: left must be F32, got BF16(2) on cpu");
        Refused(() => Floats(2) * Half(2), "multiply: right must be F32, got BF16(2) on cpu");
        Refused(() => Half(2) * 2f, "scale: x must be F32, got BF16(2) on cpu");
        Refused(() => Half(2).Sum(), "sum: x must be F32, got BF16(2) on cpu");
        Refused(() => Floats(2, 3).Sum(2), "sum: there is no axis 2 in (2, 3)");
        Refused(() => Floats(2, 3).Mean(^3), "mean: there is no axis ^3 in (2, 3)");
        Refused(() => Floats(2, 3) / Floats(3, 2), "divide: needs equal shapes, got (2, 3) and (3, 2)");
        Refused(() => Half(2) + 1, "add: x must be F32, got BF16(2) on cpu");
        Refused(() => Floats(2).Transpose(), "transpose: needs at least two axes, got F32(2) on cpu");
        Refused(() => Floats(2, 3).Rows(0, 2), "rows: there is no row 2 in F32(2, 3) on cpu");
        Refused(() => Half(2).Activate<Silu>(), "activation: x must be F32, got BF16(2) on cpu");
        Refused(() => Half(2).Dropout(new DropoutKey(0.5f, 0, 0)), "dropout: x must be F32, got BF16(2) on cpu");
        Refused(() => a.Dropout(new DropoutKey(1, 0, 0)), "dropout: the probability must lie in [0, 1), got 1");
        Refused(() => a.Dropout(new DropoutKey(-0.1f, 0, 0)), "dropout: the probability must lie in [0, 1), got -0.1");
        Refused(() => a.Dropout(new DropoutKey(float.NaN, 0, 0)), "dropout: the probability must lie in [0, 1), got NaN");
    }

    [Test]
    public void Ops_on_rows_and_columns()
    {
        var x = Floats(2, 3);
        Refused(() => Half(2, 3).MultiplyRow(Floats(3)), "multiply row: x must be F32, got BF16(2, 3) on cpu");
        Refused(() => x.MultiplyRow(Half(3)), "multiply row: row must be F32, got BF16(3) on cpu");
        Refused(() => x.MultiplyRow(Floats(2)), "multiply row: row must have 3 elements, got F32(2) on cpu");
        Refused(() => Half(2, 3).AddRow(Floats(3)), "add row: x must be F32, got BF16(2, 3) on cpu");
        Refused(() => x.AddRow(Floats(2)), "add row: row must have 3 floating-point elements, got F32(2) on cpu");
        Refused(() => Half(2, 3).MultiplyColumn(Floats(2)), "multiply column: x must be F32, got BF16(2, 3) on cpu");
        Refused(() => x.MultiplyColumn(Half(2)), "multiply column: column must be F32, got BF16(2) on cpu");
        Refused(() => x.MultiplyColumn(Floats(3)), "multiply column: column must have 2 elements, got F32(3) on cpu");
    }

    [Test]
    public void Shapes()
    {
        var x = Floats(2, 3);
        Refused(() => x.Reshape([7]), "reshape: (2, 3) has 6 elements, (7) would have 7");
        Refused(() => x.Slice(1, 2), "slice: [1, 3) does not lie in the first axis of (2, 3)");
        Refused(() => x.Slice(-1, 1), "slice: [-1, 0) does not lie in the first axis of (2, 3)");
        Refused(() => Floats().Slice(0, 1), "slice: [0, 1) does not lie in the first axis of ()");
        Refused(() => x.Columns(2, 2), "columns: [2, 4) does not lie in the last axis of (2, 3)");
        Refused(() => Half(2, 3).Columns(0, 1), "columns: x must be F32, got BF16(2, 3) on cpu");
        Refused(() => Tensor.Concat(), "concat: needs at least one tensor, each with at least one axis");
        Refused(() => Tensor.Concat(Floats()), "concat: needs at least one tensor, each with at least one axis");
        foreach (var other in new[] { Floats(2, 4), Floats(2, 3, 1), Floats(6), Floats(), Half(2, 3) })
        {
            Refused(() => Tensor.Concat(x, other),
                $"concat: needs tensors that differ in their first axis only, got F32(2, 3) on cpu and {other}");
        }
        Refused(() => x.Rows(Floats(2)), "rows: ids must be I32, got F32(2) on cpu");
        Refused(() => Floats(3).Rows(Ints(2)), "rows: needs a (rows, columns) table of floating-point numbers, got F32(3) on cpu");
        Refused(() => Ints(3, 2).Rows(Ints(2)), "rows: needs a (rows, columns) table of floating-point numbers, got I32(3, 2) on cpu");
    }

    [Test]
    public void Rotary_positions()
    {
        var (x, positions) = (Floats(1, 2, 8), Ints(2));
        Refused(() => Rope(x, Floats(2)), "rope: positions must be I32, got F32(2) on cpu");
        Refused(() => Rope(x, Ints(3)),
            "rope: needs one position a row and a rotary dimension of at most 4, got positions (3) for x (1, 2, 8) and tables (9, 2)");
        Refused(() => Rope(x, positions, 3),
            "rope: needs one position a row and a rotary dimension of at most 3, got positions (2) for x (1, 2, 8) and tables (9, 2)");
        Refused(() => Rope(x, positions, 3, 3), "rope: 2 heads of 3 columns, one every 3 from column 3 on, do not fit in x (1, 2, 8)");
        Refused(() => Rope(Half(1, 2, 8), positions), "rope: x must be F32, got BF16(1, 2, 8) on cpu");

        Tensor Rope(Tensor tensor, Tensor at, int dim = 4, int offset = 0) =>
            new Heads(tensor, 2, dim, offset).Rope(new RopeTables(Floats(9, 2), Floats(9, 2), false), at);
    }

    [Test]
    public void Attention()
    {
        var (q, k) = (Floats(2, 3, 8), Floats(2, 5, 4));
        Refused(() => Attend(Floats(3, 8), k, k),
            "attention: needs q (batch, queries, …), k and v (batch, keys, …), got (3, 8), (2, 5, 4) and (2, 5, 4)");
        Refused(() => Attend(q, Floats(1, 5, 4), k),
            "attention: needs q (batch, queries, …), k and v (batch, keys, …), got (2, 3, 8), (1, 5, 4) and (2, 5, 4)");
        Refused(() => Attend(q, k, Floats(2, 4, 4)),
            "attention: needs q (batch, queries, …), k and v (batch, keys, …), got (2, 3, 8), (2, 5, 4) and (2, 4, 4)");
        Refused(() => new Heads(q, 4, 2).Attend(new Heads(k, 3, 2), new Heads(k, 3, 2), new(1)),
            "attention: 4 query heads of 2 do not fit 3 key heads of 2 and 3 of 2");
        Refused(() => new Heads(q, 4, 2).Attend(new Heads(k, 1, 4), new Heads(k, 1, 4), new(1)),
            "attention: 4 query heads of 2 do not fit 1 key heads of 4 and 1 of 4");
        Refused(() => Attend(Half(2, 3, 8), k, k), "attention: q must be F32, got BF16(2, 3, 8) on cpu");
        Refused(() => Attend(Floats(2, 3, 7), k, k),
            "attention: 4 heads of 2 columns, one every 2 from column 0 on, do not fit in q (2, 3, 7)");
        Refused(() => Attend(q, k, k, Ranges(2, 3)), "attention: ranges must be I32 of shape (2, 3, 2), got I32(2, 3) on cpu");
        Refused(() => Attend(q, k, k, new AttentionOptions(1, Floats(2, 3, 2))),
            "attention: ranges must be I32 of shape (2, 3, 2), got F32(2, 3, 2) on cpu");
        Refused(() => Attend(q, k, k, new AttentionOptions(1, Slopes: Floats(2))),
            "attention: slopes must be F32, one for each of 4 heads, got F32(2) on cpu");
        Refused(() => Attend(q, k, k, new AttentionOptions(1, Bias: Floats(2, 3, 5))),
            "attention: the bias must be F32 of shape (2 or 1, 4 or 1, 3, 5), the first extent optional, got F32(2, 3, 5) on cpu");
        Refused(() => Attend(q, k, k, new AttentionOptions(1, Bias: Floats(2, 4, 5, 3))),
            "attention: the bias must be F32 of shape (2 or 1, 4 or 1, 3, 5), the first extent optional, got F32(2, 4, 5, 3) on cpu");
        Refused(() => Attend(q, k, k, new AttentionOptions(1, Bias: Floats(3, 5))),
            "attention: the bias must be F32 of shape (2 or 1, 4 or 1, 3, 5), the first extent optional, got F32(3, 5) on cpu");
        Refused(() => Attend(q, k, k, new AttentionOptions(1, Sinks: Floats(2))),
            "attention: sinks must be F32, one for each of 4 heads, got F32(2) on cpu");
        Refused(() => Attend(q, k, k, new AttentionOptions(1, Dropout: new(1, 2, 3))),
            "attention: the probability of dropout must lie in [0, 1), got 1");

        AttentionOptions Ranges(params ReadOnlySpan<int> extents) => new(1, Ints(extents));

        static Tensor Attend(Tensor q, Tensor k, Tensor v, AttentionOptions? options = null) =>
            new Heads(q, 4, 2).Attend(new Heads(k, 2, 2), new Heads(v, 2, 2), options ?? new(1));
    }

    [Test]
    public void Losses()
    {
        var (logits, targets) = (Floats(2, 3), Ints(2));
        Refused(() => Half(2, 3).CrossEntropy(targets, 1), "cross entropy: logits must be F32, got BF16(2, 3) on cpu");
        Refused(() => logits.CrossEntropy(Floats(2), 1), "cross entropy: targets must be I32, got F32(2) on cpu");
        Refused(() => logits.CrossEntropy(Ints(3), 1), "cross entropy: targets must have 2 elements, got I32(3) on cpu");
        Refused(() => Half(2, 3).LinearCrossEntropy(Floats(5, 3), targets, 1),
            "linear cross entropy: hidden must be F32, got BF16(2, 3) on cpu");
        Refused(() => logits.LinearCrossEntropy(Floats(5, 3), Floats(2), 1),
            "linear cross entropy: targets must be I32, got F32(2) on cpu");
        Refused(() => logits.LinearCrossEntropy(Floats(5, 4), targets, 1),
            "linear cross entropy: weight must have shape (5, 3), got F32(5, 4) on cpu");
        Refused(() => logits.LinearCrossEntropy(Floats(5, 3), Ints(3), 1),
            "linear cross entropy: targets must have 2 elements, got I32(3) on cpu");
    }

    [Test]
    public void Tensors_of_two_devices_never_meet()
    {
        using var other = new MetaBackend();
        var (x, far) = (Floats(2, 2), other.NewTensor([2, 2]));
        var (ids, farIds) = (Ints(2), other.NewTensor([2], DType.I32));
        var tables = new RopeTables(Floats(1, 1), Floats(1, 1), false);
        Refused("add", () => x + far);
        Refused("linear", () => x.Linear(far));
        Refused("linear", () => x.Linear(x, other.NewTensor([2])));
        Refused("lora linear", () => x.LoraLinear(x, null, false, new LowRankUpdate(far, x, 1)));
        Refused("matmul", () => x.MatMul(far));
        Refused("rms norm", () => x.RmsNorm(far, 0));
        Refused("layer norm", () => x.LayerNorm(far, null, 0));
        Refused("multiply row", () => x.MultiplyRow(far));
        Refused("multiply column", () => x.MultiplyColumn(far));
        Refused("add row", () => x.AddRow(far));
        Refused("rows", () => x.Rows(farIds));
        Refused("concat", () => Tensor.Concat(x, far));
        Refused("rope", () => new Heads(x, 1, 2).Rope(tables, farIds));
        Refused("attention", () => new Heads(Floats(1, 2, 2), 1, 2).Attend(new Heads(other.NewTensor([1, 2, 2]), 1, 2),
            new Heads(Floats(1, 2, 2), 1, 2), new(1)));
        Refused("cross entropy", () => x.CrossEntropy(farIds, 1));
        Refused("linear cross entropy", () => x.LinearCrossEntropy(far, ids, 1));

        static void Refused(string op, Func<Tensor> run) => Assert.That(run, Throws.TypeOf<ShapeException>().With.Message.StartsWith(
            $"{op}: all tensors must be on one backend, got ").And.Message.EndsWith(" on meta; make both with the same backend"));
    }

    [Test]
    public void Reading_and_making_tensors()
    {
        Assert.That(() => Floats(2).Item(),
            Throws.TypeOf<ShapeException>().With.Message.EqualTo("item: needs one F32 element, got F32(2) on cpu"));
        Assert.That(() => Half(2).ToArray<float>(),
            Throws.ArgumentException.With.Message.EqualTo("elements of a BF16 tensor are 2 bytes, not 4"));
        Refused(() => _backend.From([1f, 2], [3]), "from: 2 values do not fill a tensor of shape (3)");
    }

    [Test]
    public void Numbers_outside_a_table_or_the_classes_are_refused()
    {
        Assert.That(() => Floats(3, 2).Rows(_backend.From([3], [1])),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("table of 3 rows"));
        Assert.That(() => Floats(1, 2).CrossEntropy(_backend.From([2], [1]), 1),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("2 classes"));
    }

    private static void Refused(Func<Tensor> op, string message) =>
        Assert.That(op, Throws.TypeOf<ShapeException>().With.Message.EqualTo(message));

    private Tensor Floats(params ReadOnlySpan<int> extents) => _backend.Zeros(Shape.Of(extents));

    private Tensor Half(params ReadOnlySpan<int> extents) => _backend.Zeros(Shape.Of(extents), DType.BF16);

    private Tensor Ints(params ReadOnlySpan<int> extents) => _backend.Zeros(Shape.Of(extents), DType.I32);
}
