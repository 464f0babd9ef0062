#include <stdio.h>

static void show(int number)
{
    printf("%d\n", number);
}

int main(void)
{
    for (int i = 0; i < 12; i++)
        show(i);
    return 0;
}
