using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

public sealed class CrossEntropyTests
{
    [Test]
    public void Softmax_sums_to_one_and_its_gradient_is_the_jacobian([Values(1, 9, 600)] int rows, [Values(1, 7, 40, 133)] int cols)
    {
        using WorkerPool pool = new(2);
        float[] x = Numbers.Random(1, rows * cols, 20f), dy = Numbers.Random(2, rows * cols), y = Numbers.Poison(x.Length);
        double[] p = Softmax(x, cols), expected = new double[x.Length];
        for (int r = 0; r < rows; r++)
        {
            double dot = Enumerable.Range(r * cols, cols).Sum(i => p[i] * dy[i]);
            for (int i = r * cols; i < (r + 1) * cols; i++)
            {
                expected[i] = p[i] * (dy[i] - dot);
            }
        }

        CrossEntropy.Softmax(x, y, rows, cols, pool);
        Numbers.AssertClose(y, p, 1e-5, 1e-7, "softmax");
        float[] dx = Numbers.Poison(x.Length);
        CrossEntropy.SoftmaxBackward(y, dy, dx, rows, cols, false, pool);
        Numbers.AssertClose(dx, expected, 1e-5, 1e-6, "gradient");
        CrossEntropy.SoftmaxBackward(y, dy, dx, rows, cols, true, pool);
        Numbers.AssertClose(dx, [.. expected.Select(v => 2 * v)], 1e-5, 2e-6, "accumulated gradient");
        CrossEntropy.Softmax(x, x, rows, cols, pool);
        Assert.That(x, Is.EqualTo(y));
    }

    [Test]
    public void The_loss_is_minus_log_likelihood_and_its_gradient_softmax_minus_onehot([Values(1, 9, 600)] int rows,
        [Values(1, 7, 40, 133)] int cols)
    {
        using WorkerPool pool = new(2);
        float[] x = Numbers.Random(1, rows * cols, 30f), old = [.. x], losses = Numbers.Poison(rows);
        int[] labels = [.. Enumerable.Range(0, rows).Select(r => r % 4 == 1 ? -100 : (r * 31) % cols)];
        double[] p = Softmax(x, cols);
        double[] loss = [.. labels.Select((l, r) => l < 0 ? 0 : -LogSoftmax(x, r, cols, l))];
        double[] gradient = [.. p.Select((v, i) => labels[i / cols] < 0 ? 0 : 0.25 * (v - (i % cols == labels[i / cols] ? 1 : 0)))];
        CrossEntropy.ForwardBackward(x, labels, -100, 0.25f, losses, rows, cols, false, pool);
        Numbers.AssertClose(losses, loss, 1e-6, 5e-6, "loss");
        Assert.That(x, Is.EqualTo(old));
        Array.Fill(losses, float.NaN);
        CrossEntropy.ForwardBackward(x, labels, -100, 0.25f, losses, rows, cols, true, pool);
        Numbers.AssertClose(losses, loss, 1e-6, 5e-6, "loss with gradient");
        Numbers.AssertClose(x, gradient, 1e-5, 1e-7, "gradient");
    }

    [Test]
    public void A_label_outside_the_classes_is_refused()
    {
        using WorkerPool pool = new(1);
        Assert.That(
            () => CrossEntropy.ForwardBackward(new float[3], [3], -100, 1f, new float[1], 1, 3, true, pool),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("Label 3 in row 0"));
    }

    private static double[] Softmax(float[] x, int cols) => [.. x.Select((_, i) => Math.Exp(LogSoftmax(x, i / cols, cols, i % cols)))];

    private static double LogSoftmax(float[] x, int r, int cols, int c)
    {
        var row = x.Skip(r * cols).Take(cols).Select(v => (double)v);
        double max = row.Max();
        return x[(r * cols) + c] - max - Math.Log(row.Sum(v => Math.Exp(v - max)));
    }
}
