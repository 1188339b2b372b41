namespace PeftCore.Backends;

/// <summary>Some of the elements or rows of a tensor.</summary>
/// <param name="First">Index of the first.</param>
/// <param name="Count">Their number.</param>
internal readonly record struct Part(long First, int Count);

/// <summary>Parts of at most <paramref name="most"/> elements or rows that together cover all of them: one part of all but the largest
/// tensors. An empty tensor has one part without elements, because its kernel may write a result all the same, such as a sum of 0.
/// Enumerating them allocates nothing.</summary>
internal readonly struct Parts(long count, long most)
{
    public Enumerator GetEnumerator() => new(count, most);

    public struct Enumerator(long count, long most)
    {
        private long _next;
        private bool _started;

        public Part Current { get; private set; }

        public bool MoveNext()
        {
            if (_started && _next >= count)
            {
                return false;
            }
            _started = true;
            Current = new Part(_next, (int)Math.Min(most, count - _next));
            _next += Current.Count;
            return true;
        }
    }
}
