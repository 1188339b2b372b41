using PeftCore.Tensors;

namespace PeftCore.Tests.Tensors;

public sealed class ShapeTests
{
    [Test]
    public void A_shape_reads_as_a_matrix()
    {
        foreach (var (shape, rows, columns, count) in ((Shape, int, int, long)[])
            [([], 1, 1, 1), ([5], 1, 5, 5), ([2, 3, 5], 6, 5, 30), ([0, 5], 0, 5, 0), ([4, 0], 4, 0, 0),
                ([100_000, 100_000], 100_000, 100_000, 10_000_000_000)])
        {
            Assert.That((shape.Rows, shape.Columns, shape.Count), Is.EqualTo((rows, columns, count)), $"{shape}");
        }
    }

    [Test]
    public void Shapes_are_equal_by_rank_and_extents()
    {
        Shape a = [2, 3], b = [2, 3], c = [3, 2], d = [2, 3, 1];
        Assert.That(a == b && a != c && a != d && a.Equals((object)b) && a.GetHashCode() == b.GetHashCode());
        Assert.That(default(Shape), Is.EqualTo(Shape.Of()));
    }

    [Test]
    public void The_columns_of_a_shape_can_be_exchanged() => Assert.That(Shape.Of(2, 3).WithColumns(7), Is.EqualTo(Shape.Of(2, 7)));

    [Test]
    public void What_is_no_shape_is_refused()
    {
        Assert.That(() => Shape.Of(1, 2, 3, 4, 5, 6), Throws.ArgumentException.With.Message.EqualTo("a shape has at most 5 axes, not 6"));
        Assert.That(() => Shape.Of(1, -2), Throws.ArgumentException.With.Message.EqualTo("axis 1 of a shape cannot be -2"));
        Assert.That(() => Shape.Of(int.MaxValue, int.MaxValue, int.MaxValue),
            Throws.ArgumentException.With.Message.Contains("so many elements"));
        Assert.That(() => Shape.Of(1)[1],
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("there is no axis 1 in shape (1)"));
    }

    [Test]
    public void Dtypes_know_their_size()
    {
        Assert.That(Enum.GetValues<DType>().Where(dtype => dtype != DType.Quantized).Select(dtype => dtype.Size),
            Is.EqualTo(new[] { 4, 2, 2, 4, 8, 1 }));
        Assert.That(Enum.GetValues<DType>().Where(dtype => dtype.IsFloat), Is.EqualTo(new[] { DType.F32, DType.BF16, DType.F16 }));
    }
}
