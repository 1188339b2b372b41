using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Tests.Kernels;

public sealed class EmbeddingTests
{
    [Test]
    public void Rows_are_gathered_widened_and_their_gradients_added_in_order(
        [Values(1, 5, 300, 1030)] int cols, [Values(0, 1, 400)] int count, [Values(DType.F32, DType.BF16, DType.F16)] DType dtype)
    {
        var type = dtype.Element;
        using WorkerPool pool = new(2);
        const int Rows = 29;
        byte[] table = Numbers.Store(Numbers.Random(1, Rows * (cols + 3)), type, out float[] wide);
        int[] ids = [.. Enumerable.Range(0, count).Select(i => (i * i) % Rows)];
        float[] y = Numbers.Poison(count * cols);
        Embedding.Gather(ids, new Operand(table, type, cols + 3), y, count, cols, pool);
        Assert.That(y, Is.EqualTo(ids.SelectMany(id => wide.Skip(id * (cols + 3)).Take(cols))));

        float[] dy = Numbers.Random(2, count * cols), gradient = Numbers.Random(3, Rows * cols), expected = [.. gradient];
        for (int i = 0; i < count * cols; i++)
        {
            expected[(ids[i / cols] * cols) + (i % cols)] += dy[i];
        }

        Embedding.ScatterAdd(ids, dy, gradient, count, cols, pool);
        Assert.That(gradient, Is.EqualTo(expected));
    }

    [TestCase(-1)]
    [TestCase(3)]
    public void An_id_outside_the_table_is_refused(int id)
    {
        using WorkerPool pool = new(1);
        Assert.That(() => Embedding.Gather([id], Operand.F32(new float[6], 2), new float[2], 1, 2, pool),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Embedding.ScatterAdd([id], new float[2], new float[6], 1, 2, pool),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
    }
}
