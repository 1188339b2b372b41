namespace PeftCore.Kernels;

public static unsafe partial class Attention
{
    /// <summary>The scores of one query row, before the softmax.</summary>
    private readonly struct Scores(
        AttentionShape shape, float* q, HeadLayout ql, float* k, HeadLayout kl, int* ranges, float* slopes, float* bias, long biasLength)
    {
        private readonly float* _q = q, _k = k, _slopes = slopes, _bias = bias;
        private readonly int* _ranges = ranges;

        public readonly AttentionShape Shape = shape;

        public float* Query(int b, int i, int h) => _q + (((long)b * Shape.QueryLength) + i) * ql.RowStride + ql.Offset + ((long)h * ql.HeadStride);

        public float* Key(int b, int j, int h) => _k + (((long)b * Shape.KeyLength) + j) * kl.RowStride + kl.Offset + ((long)h * kl.HeadStride);

        public int KeyHead(int h) => h / (Shape.Heads / Shape.KeyHeads);

        public void Range(int b, int i, out int from, out int to)
        {
            if (_ranges == null)
            {
                from = 0;
                to = Math.Clamp(i + 1 + Shape.KeyLength - Shape.QueryLength, 0, Shape.KeyLength);
                return;
            }

            long at = 2 * (((long)b * Shape.QueryLength) + i);
            from = Math.Max(_ranges[at], 0);
            to = Math.Max(from, Math.Min(_ranges[at + 1], Shape.KeyLength));
        }

        /// <summary>row[j − from] = score; bent[j − from] = d score / d (scale·q·k).</summary>
        public void Row(int b, int i, int h, int from, int to, float* row, float* bent)
        {
            float* query = Query(b, i, h);
            int keyHead = KeyHead(h);
            float cap = Shape.SoftCap;
            bool shared = biasLength < (long)Shape.Heads * Shape.QueryLength * Shape.KeyLength;
            float* added = _bias == null ? null : _bias + ((((long)(shared ? 0 : h) * Shape.QueryLength) + i) * Shape.KeyLength);
            for (int j = from; j < to; j++)
            {
                float s = Shape.Scale * Simd.Dot(query, Key(b, j, keyHead), Shape.HeadDim), slope = 1f;
                if (cap != 0)
                {
                    float t = MathF.Tanh(s / cap);
                    s = cap * t;
                    slope = 1f - (t * t);
                }

                if (_slopes != null)
                {
                    s += _slopes[h] * (j - (i + Shape.KeyLength - Shape.QueryLength));
                }

                row[j - from] = added == null ? s : s + added[j];
                if (bent != null)
                {
                    bent[j - from] = slope;
                }
            }
        }

        public bool SharesBias => biasLength < (long)Shape.Heads * Shape.QueryLength * Shape.KeyLength;
    }
}
